"""Drawn chest slices as PNG, JPEG and DICOM, made without our own code."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pydicom
import pydicom.uid
import skimage.draw
from PIL import Image


def chest(size=256, nodule=False):
    """8 bit, as a lung window shows it."""
    picture = np.full((size, size), 5, np.uint8)

    def ellipse(row, column, rows, columns, value):
        picture[skimage.draw.ellipse(row * size, column * size, rows * size, columns * size, picture.shape)] = value

    ellipse(0.52, 0.50, 0.33, 0.43, 200)
    ellipse(0.50, 0.31, 0.23, 0.15, 30)
    ellipse(0.50, 0.69, 0.23, 0.15, 30)
    ellipse(0.74, 0.50, 0.055, 0.055, 250)
    if nodule:
        ellipse(0.47, 0.33, 0.035, 0.035, 190)
    return picture


def body_without_lungs(size=256):
    picture = np.full((size, size), 5, np.uint8)
    picture[skimage.draw.ellipse(size * 0.52, size * 0.5, size * 0.33, size * 0.43, picture.shape)] = 200
    return picture


def encode(picture, kind):
    if kind == "png":
        def chunk(name, data):
            return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

        rows = b"".join(b"\0" + row.tobytes() for row in picture)
        header = struct.pack(">IIBBBBB", picture.shape[1], picture.shape[0], 8, 0, 0, 0, 0)
        return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) +
                chunk(b"IEND", b""))
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def dicom(picture, modality="CT", patient="SECRET^PATIENT", **attributes):
    """A CT image object whose HU show the picture in the lung window [-1000, 400]; `attributes` by DICOM keyword."""
    hounsfield = picture.astype(np.float64) / 255 * 1400 - 1000
    meta = pydicom.dataset.FileMetaDataset()
    classes = {"CT": pydicom.uid.CTImageStorage, "MR": pydicom.uid.MRImageStorage}
    meta.MediaStorageSOPClassUID = classes[modality]
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset = pydicom.dataset.FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.is_little_endian, dataset.is_implicit_VR = True, False
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.PatientID, dataset.PatientName = modality, patient, patient
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = pydicom.uid.generate_uid(), pydicom.uid.generate_uid()
    dataset.Rows, dataset.Columns = picture.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.PixelSpacing = [0.7, 0.7]
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = np.round(hounsfield + 1024).astype("<i2").tobytes()
    stream = io.BytesIO()
    dataset.save_as(stream, write_like_original=False)
    return stream.getvalue()


def series(pictures, spacing_mm=2.5, uid=None, **attributes):
    """DICOM slices of one series, the first at z = -100 mm."""
    uid = uid or pydicom.uid.generate_uid()
    return [dicom(picture, SeriesInstanceUID=uid, InstanceNumber=i + 1, ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                  ImagePositionPatient=[-100, -120, -100 + spacing_mm * i], **attributes)
            for i, picture in enumerate(pictures)]


def zipped(files, compression=zipfile.ZIP_DEFLATED):
    """A zip archive of (name, bytes)."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return stream.getvalue()
