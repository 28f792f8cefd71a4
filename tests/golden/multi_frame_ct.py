"""Turns a folder of single CT slices into one multi-frame object a series, by pydicom.

    multi_frame_ct.py SLICES OUT KIND

KIND: enhanced (Enhanced CT Image Storage, functional groups as in PS3.3 C.7.6.16, everything that may differ between frames
said per frame), legacy (Legacy Converted Enhanced CT), or bare (CT Image Storage with a number of frames and no word about
where they lie). Frames are shuffled, and frame i is stored with an intercept of its own.
"""
import collections
import pathlib
import random
import sys

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

CLASSES = {"enhanced": "1.2.840.10008.5.1.4.1.1.2.1", "legacy": "1.2.840.10008.5.1.4.1.1.2.2",
           "bare": "1.2.840.10008.5.1.4.1.1.2"}


def item(**values):
    dataset = Dataset()
    for name, value in values.items():
        setattr(dataset, name, value)
    return Sequence([dataset])


def groups_of(source, offset):
    group = Dataset()
    group.PlanePositionSequence = item(ImagePositionPatient=source.ImagePositionPatient)
    group.PixelValueTransformationSequence = item(RescaleIntercept=float(source.RescaleIntercept) - offset, RescaleSlope=1.0,
                                                  RescaleType="HU")
    return group


def shared_groups(source):
    group = Dataset()
    group.PixelMeasuresSequence = item(PixelSpacing=source.PixelSpacing, SliceThickness=source.SliceThickness)
    group.PlaneOrientationSequence = item(ImageOrientationPatient=source.ImageOrientationPatient)
    return group


def combined(sources, kind):
    first = sources[0]
    whole = Dataset()
    for name in ("PatientID", "SeriesInstanceUID", "StudyInstanceUID", "Modality", "Manufacturer", "Rows", "Columns",
                 "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel",
                 "PhotometricInterpretation"):
        setattr(whole, name, first[name].value)
    whole.SOPClassUID = CLASSES[kind]
    whole.SOPInstanceUID = first.SeriesInstanceUID + ".99"
    whole.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    whole.InstanceNumber = 1
    whole.NumberOfFrames = len(sources)
    frames = []
    for i, source in enumerate(sources):
        offset = 0 if kind == "bare" else i
        frames.append(np.frombuffer(source.PixelData, "<i2") + np.int16(offset))
    if kind == "bare":
        whole.PixelSpacing, whole.SliceThickness = first.PixelSpacing, first.SliceThickness
        whole.RescaleIntercept, whole.RescaleSlope = first.RescaleIntercept, 1
    else:
        whole.SharedFunctionalGroupsSequence = Sequence([shared_groups(first)])
        whole.PerFrameFunctionalGroupsSequence = Sequence([groups_of(source, i) for i, source in enumerate(sources)])
    whole.PixelData = np.concatenate(frames).tobytes()
    whole["PixelData"].VR = "OW"
    return whole


def save(whole, path):
    whole.file_meta = FileMetaDataset()
    whole.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    whole.file_meta.MediaStorageSOPClassUID = whole.SOPClassUID
    whole.file_meta.MediaStorageSOPInstanceUID = whole.SOPInstanceUID
    whole.is_little_endian, whole.is_implicit_VR = True, False
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.save_as(path, write_like_original=False)


def main(folder, out, kind):
    series = collections.defaultdict(list)
    for path in sorted(pathlib.Path(folder).rglob("*.dcm")):
        header = pydicom.dcmread(path)
        series[header.SeriesInstanceUID].append(header)
    for number, sources in enumerate(series.values()):
        random.Random(number).shuffle(sources)
        save(combined(sources, kind), pathlib.Path(out) / f"{number}.dcm")


if __name__ == "__main__":
    main(*sys.argv[1:])
