"""Decodes DICOM slices by the command line tools of DCMTK and OpenJPEG.

Usage: dicom_tools_golden.py ARCHIVE.zip OUT NAME...: for member i of the archive it writes OUT/i.pixels (float32 HU, row-major)
and prints one JSON list of [tool, rows, columns].
"""
import json
import pathlib
import subprocess
import sys
import zipfile

import numpy as np
import pydicom
from pydicom.encaps import defragment_data

import preprocess_golden

TOOLS = {
    "1.2.840.10008.1.2.5": ["dcmdrle"],
    "1.2.840.10008.1.2.4.80": ["dcmdjpls"],
    "1.2.840.10008.1.2.4.81": ["dcmdjpls"],
    **{f"1.2.840.10008.1.2.4.{code}": ["dcmdjpeg"] for code in (50, 51, 53, 55, 57, 70)},
}
JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")


def decompress_jpeg_2000(source, plain):
    """OpenJPEG decodes the code stream to raw values; the rest of the object stays."""
    dataset = pydicom.dcmread(source)
    stream, raw = source.with_suffix(".j2k"), source.with_suffix(".rawl")
    stream.write_bytes(defragment_data(dataset.PixelData))
    subprocess.run(["opj_decompress", "-i", stream, "-o", raw], check=True, stdout=subprocess.DEVNULL)
    dataset.PixelData = raw.read_bytes()
    dataset["PixelData"].is_undefined_length = False
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.save_as(plain)
    return "opj_decompress"


def decompress(source, plain):
    syntax = str(pydicom.dcmread(source, stop_before_pixels=True).file_meta.TransferSyntaxUID)
    if syntax in JPEG_2000:
        return decompress_jpeg_2000(source, plain)
    command = TOOLS.get(syntax, ["dcmconv", "+te"])
    subprocess.run([*command, source, plain], check=True, stdout=subprocess.DEVNULL)
    return command[0]


def main(archive, out, *names):
    out, described = pathlib.Path(out), []
    for i, name in enumerate(names):
        source, plain = out / f"{i}.dcm", out / f"{i}.plain.dcm"
        source.write_bytes(zipfile.ZipFile(archive).read(name))
        tool = decompress(source, plain)
        pixels = preprocess_golden.decode_dicom(plain.read_bytes())
        pixels.astype("<f4").tofile(out / f"{i}.pixels")
        described.append([tool, *pixels.shape])
    json.dump(described, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
