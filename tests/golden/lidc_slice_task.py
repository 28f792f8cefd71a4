"""Checks a prepared folder of the slice task against a reference pipeline: pydicom, NumPy, SciPy, scikit-image's rules.

    lidc_slice_task.py PREPARED IMAGES.zip ANNOTATIONS.zip

IMAGES.zip holds one CT series. Recomputes which slices are malignant and which may be normal, the images, the lung masks
and where the consensus lies, and compares. Prints what was compared; exits with 1 at the first difference.
"""
import io
import pathlib
import sys
import xml.etree.ElementTree as ElementTree
import zipfile

import h5py
import numpy as np
import pydicom

import lidc_nodules
import preprocess_golden

MARGIN_MM = 5.0


def read_series(path):
    """Header and archive name of each slice, by SOP instance UID."""
    slices = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".dcm"):
                header = pydicom.dcmread(io.BytesIO(archive.read(name)), stop_before_pixels=True)
                slices[header.SOPInstanceUID] = (header, f"{path}!{name}")
    return slices


def read_annotation(path, series_uid):
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".xml"):
                root = ElementTree.fromstring(archive.read(name))
                uid = (root.findtext(".//" + lidc_nodules.NAMESPACE + "SeriesInstanceUid") or "").strip()
                if root.tag.endswith("LidcReadMessage") and uid == series_uid:
                    return root
    raise SystemExit("no annotation of this series")


def expected_labels(slices, root):
    """Positions of malignant slices and of every mark, mm."""
    header = next(iter(slices.values()))[0]
    marks, marked = lidc_nodules.read_marks(root)
    nodules = lidc_nodules.cluster(marks, float(header.SliceThickness), float(header.PixelSpacing[0]))
    malignant = set()
    for nodule in nodules:
        if np.median([mark["malignancy"] for mark in nodule]) > 3:
            for z in {z for mark in nodule for z, _, _ in mark["contours"]}:
                if lidc_nodules.consensus(nodule, z)[0] > 0:
                    malignant.add(z)
    return malignant, marked


def check(condition, message):
    if not condition:
        raise SystemExit("DIFFERENT: " + message)


def check_sample(shard, i, name):
    """The image, the lung mask and the place of the consensus of one sample."""
    pixels, grey = preprocess_golden.decode(name, False), False
    image, lungs = preprocess_golden.preprocess(pixels, grey, {})
    ours = shard["images"][i, 0].astype(float) / 65535
    difference = np.abs(ours - image / 65535).mean()
    check(difference <= 1 / 255, f"sample {i}: images differ by {difference} on average")
    mask = shard["lungs"][i] > 0
    dice = 2 * (mask & (lungs > 0)).sum() / (mask.sum() + (lungs > 0).sum())
    check(dice >= 0.99, f"sample {i}: Dice of the lung masks is {dice}")
    votes = shard["nodules"][i]
    check((mask[votes >= 2]).all(), f"sample {i}: the consensus leaves the lungs")
    return difference, dice


def main():
    prepared, images, annotations = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    slices = read_series(images)
    root = read_annotation(annotations, next(iter(slices.values()))[0].SeriesInstanceUID)
    malignant, marked = expected_labels(slices, root)
    found, differences, dices, normals = set(), [], [], 0
    for path in sorted(prepared.glob("*.h5")):
        with h5py.File(path) as shard:
            for i, instance in enumerate(shard["instances"].asstr()):
                header, name = slices[instance]
                z = float(header.ImagePositionPatient[2])
                check(shard["position_mm"][i] == z, f"position of sample {i}")
                if shard["labels"][i] == 1:
                    found.add(z)
                else:
                    normals += 1
                    check(min(abs(z - mark) for mark in marked) > MARGIN_MM, f"normal slice {i} is near a mark")
                difference, dice = check_sample(shard, i, name)
                differences.append(difference)
                dices.append(dice)
    check(found == malignant, f"malignant slices {sorted(found)} instead of {sorted(malignant)}")
    check(normals == len(malignant), f"{normals} normal slices for {len(malignant)} malignant ones")
    print(f"{len(found)} malignant and {normals} normal slices equal; images differ by at most {max(differences):.2e} "
          f"on average, Dice at least {min(dices):.4f}")


if __name__ == "__main__":
    main()
