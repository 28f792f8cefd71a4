"""Second implementation of docs/preprocessing.md: DICOM by pydicom, pictures by Pillow, the rest in NumPy and SciPy.

Usage: preprocess_golden.py OUT JOBS.json, where JOBS is a list of
  {"file": "slice.dcm" | "archive.zip!inner.dcm" | "array.npy", "grey": false, "spec": {...}}.
For job i it writes OUT/i.pixels (float32), OUT/i.image (uint16) and OUT/i.lungs (uint8), row-major, and OUT/i.json with the
shapes. `spec` holds the keys of PreprocessSpec; an absent key has its default value.
"""
import io
import json
import pathlib
import sys
import zipfile

import numpy as np
from scipy import ndimage as ndi

from lung_golden import segment_lungs

DEFAULTS = {"window_low_hu": -1000.0, "window_high_hu": 400.0, "gaussian_sigma_px": 1.0, "crop_px": 0, "size_px": 224,
            "mask": "lungs", "threshold": None}


def read_bytes(name):
    if "!" in name:
        archive, inner = name.split("!")
        return zipfile.ZipFile(archive).read(inner)
    return pathlib.Path(name).read_bytes()


def decode_dicom(data):
    import pydicom

    dataset = pydicom.dcmread(io.BytesIO(data))
    stored = dataset.pixel_array.astype(np.int64)
    if stored.ndim == 3:
        stored = stored[0]
    hu = (stored * float(dataset.get("RescaleSlope", 1)) + float(dataset.get("RescaleIntercept", 0))).astype(np.float32)
    if "PixelPaddingValue" in dataset:
        padding = int(dataset.PixelPaddingValue)
        if dataset.PixelRepresentation and padding >= 2**15:
            padding -= 2**16
        hu[stored == padding] = np.minimum(hu[stored == padding], -1000)
    return hu


def decode_picture(data):
    from PIL import Image

    picture = np.asarray(Image.open(io.BytesIO(data))).astype(np.float64)
    top = 65535.0 if picture.max() > 255 else 255.0
    if picture.ndim == 3:
        picture = picture[..., 0] * 0.299 + picture[..., 1] * 0.587 + picture[..., 2] * 0.114
    return (picture / top).astype(np.float32)


def decode(name, grey):
    if name.endswith(".npy"):
        return np.load(name)
    data = read_bytes(name)
    return decode_picture(data) if grey else decode_dicom(data)


def resize_weights(side, size):
    """(size, side) matrix: mean over the covered area when shrinking, linear between pixel centres when growing."""
    scale = side / size
    weights = np.zeros((size, side))
    for i in range(size):
        if size < side:
            begin, end = i * scale, (i + 1) * scale
            for j in range(int(begin), min(side, int(np.ceil(end)))):
                weights[i, j] = max(0.0, min(end, j + 1) - max(begin, j)) / scale
        else:
            at = np.clip((i + 0.5) * scale - 0.5, 0, side - 1)
            low = int(np.floor(at))
            weights[i, low] += 1 - (at - low)
            weights[i, min(low + 1, side - 1)] += at - low
    return weights


def preprocess(pixels, grey, spec):
    spec = {**DEFAULTS, **spec}
    image = pixels.astype(np.float64)
    if not grey:
        image = (image - spec["window_low_hu"]) / (spec["window_high_hu"] - spec["window_low_hu"])
    image = np.clip(image, 0, 1)
    if spec["gaussian_sigma_px"] > 0:
        image = ndi.gaussian_filter(image, spec["gaussian_sigma_px"], truncate=4, mode="reflect")
    rows, columns = image.shape
    side = spec["crop_px"] or max(rows, columns)
    top, left = (rows - side) // 2, (columns - side) // 2
    inside = image[max(top, 0):top + side, max(left, 0):left + side]
    inside = (inside - inside.min()) / (inside.max() - inside.min())
    square = np.zeros((side, side))
    y, x = max(-top, 0), max(-left, 0)
    square[y:y + inside.shape[0], x:x + inside.shape[1]] = inside
    weights = resize_weights(side, spec["size_px"])
    result = np.clip(weights @ square @ weights.T, 0, 1)
    lungs = np.ones(result.shape, bool)
    if spec["mask"] == "lungs":
        lungs = segment_lungs(result, spec["threshold"])
        result = np.where(lungs, result, 0.0)
    return np.rint(result * 65535).astype(np.uint16), lungs


def main(out, jobs_file):
    out = pathlib.Path(out)
    for i, job in enumerate(json.loads(pathlib.Path(jobs_file).read_text())):
        pixels = decode(job["file"], job.get("grey", False))
        image, lungs = preprocess(pixels, job.get("grey", False), job.get("spec", {}))
        pixels.astype("<f4").tofile(out / f"{i}.pixels")
        image.astype("<u2").tofile(out / f"{i}.image")
        lungs.astype("u1").tofile(out / f"{i}.lungs")
        (out / f"{i}.json").write_text(json.dumps({"rows": pixels.shape[0], "columns": pixels.shape[1],
                                                   "size": image.shape[0]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
