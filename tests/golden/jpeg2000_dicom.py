"""Writes DICOM files with JPEG 2000 pixels made by Pillow and encapsulated by hand.

Usage: jpeg2000_dicom.py IN.dcm OUT.dcm FRAMES FRAGMENTS: compresses every frame of the uncompressed file without loss, each in
FRAGMENTS fragments, with a basic offset table.
"""
import io
import struct
import sys

import numpy as np
import pydicom
from PIL import Image
from pydicom.uid import JPEG2000Lossless


def encode(frame):
    out = io.BytesIO()
    Image.fromarray(frame).save(out, format="JPEG2000", no_jp2=True, irreversible=False)
    return out.getvalue()


def item(content):
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def main(source, target, frames, fragments):
    dataset = pydicom.dcmread(source)
    size = (int(frames), dataset.Rows, dataset.Columns)
    stored = np.frombuffer(dataset.PixelData, "<u2").reshape(size)
    offsets, body = [], b""
    for frame in stored:
        offsets.append(len(body))
        code = encode(frame)
        code += b"\0" * (len(code) % 2)
        step = (len(code) // int(fragments) + 1) // 2 * 2
        body += b"".join(item(code[at:at + step]) for at in range(0, len(code), step))
    dataset.PixelData = item(struct.pack(f"<{len(offsets)}I", *offsets)) + body
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.save_as(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
