"""Reads a phantom archive with pydicom and the standard XML parser and checks all that its documentation promises.

Usage: phantom_archive.py ARCHIVE [RENDERED]
RENDERED holds raw little-endian float32 pictures named SOP_UID.f32: the CT numbers before they were stored.
Prints one line per fault and exits with 1 when there is any.
"""
import csv
import math
import pathlib
import sys
import uuid
import xml.etree.ElementTree as ElementTree

import numpy as np
import pydicom
from skimage.draw import polygon

NAMESPACE = "{http://www.nih.gov}"
RATINGS = {"subtlety": 5, "internalStructure": 4, "calcification": 6, "sphericity": 5, "margin": 5,
           "lobulation": 5, "spiculation": 5, "texture": 5, "malignancy": 5}
STORAGE = {"A": (1, 16, -1024, -2000), "B": (1, 16, 0, None), "C": (0, 12, -1000, None)}
MALIGNANCY = {"malignant": (3, 5), "benign": (1, 3), "indeterminate": (2, 4)}

faults = []


def check(condition, message):
    if not condition:
        faults.append(message)


def is_uuid_uid(uid):
    text = str(uid)
    return text.startswith("2.25.") and uuid.UUID(int=int(text[5:])).version == 4 and pydicom.uid.UID(text).is_valid


def check_header(name, s):
    check(s.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian, f"{name}: transfer syntax")
    check(s.SOPClassUID == "1.2.840.10008.5.1.4.1.1.2", f"{name}: SOP class")
    check(s.file_meta.MediaStorageSOPInstanceUID == s.SOPInstanceUID, f"{name}: file meta UID")
    check(s.Modality == "CT" and list(s.ImageType) == ["ORIGINAL", "PRIMARY", "AXIAL"], f"{name}: not an axial CT")
    check(s.Manufacturer.startswith("pulmo phantom"), f"{name}: manufacturer")
    signed, bits, intercept, padding = STORAGE[s.ManufacturerModelName]
    check(s.PixelRepresentation == signed and s.BitsStored == bits and s.HighBit == bits - 1, f"{name}: pixel format")
    check(s.RescaleSlope == 1 and s.RescaleIntercept == intercept, f"{name}: rescale")
    check(s.get("PixelPaddingValue") == padding, f"{name}: padding value {s.get('PixelPaddingValue')}")
    check(all(is_uuid_uid(u) for u in (s.SOPInstanceUID, s.SeriesInstanceUID, s.StudyInstanceUID,
                                       s.FrameOfReferenceUID)), f"{name}: UIDs")
    check(list(s.ImageOrientationPatient) == [1, 0, 0, 0, 1, 0], f"{name}: orientation")
    check(math.isclose(s.PixelSpacing[0] * s.Rows, s.ReconstructionDiameter, rel_tol=1e-5), f"{name}: field of view")
    check(s.PixelSpacing[0] == s.PixelSpacing[1], f"{name}: pixels not square")


def check_pixels(name, s, rendered):
    stored = s.pixel_array.astype(np.int32)
    hu = stored * float(s.RescaleSlope) + float(s.RescaleIntercept)
    side = s.Rows
    middle = (side - 1) / 2
    row, column = np.mgrid[:side, :side]
    circle = np.hypot(row - middle, column - middle) <= side / 2
    if "PixelPaddingValue" in s:
        check((stored[~circle] == s.PixelPaddingValue).all(), f"{name}: corners are not padded")
        check((stored[circle] != s.PixelPaddingValue).all(), f"{name}: padding inside the circle")
    else:
        circle[:] = True
    check(hu[circle].min() >= -1024 and hu.max() <= 3071, f"{name}: CT numbers out of range")
    if rendered is not None:
        drawn = np.fromfile(rendered / f"{s.SOPInstanceUID}.f32", "<f4").reshape(side, side)
        low = -1000 if s.RescaleIntercept == -1000 else -1024
        error = np.abs(hu - np.clip(drawn, low, 3071))[circle].max()
        check(error <= 0.5001, f"{name}: pixels differ from the drawing by {error} HU")
    return np.where(circle, hu, -1000)


def read_series(folder, rendered):
    slices = []
    for path in sorted(folder.glob("*.dcm")):
        s = pydicom.dcmread(path)
        check(path.stem == f"{s.InstanceNumber:03d}", f"{path.name}: instance number {s.InstanceNumber}")
        check_header(path.name, s)
        s.hu = check_pixels(path.name, s, rendered)
        slices.append(s)
    slices.sort(key=lambda s: -float(s.ImagePositionPatient[2]))
    z = np.array([float(s.ImagePositionPatient[2]) for s in slices])
    name = folder.parent.name
    check(len({s.SeriesInstanceUID for s in slices}) == 1, f"{name}: several series")
    check(len({s.SOPInstanceUID for s in slices}) == len(slices), f"{name}: UIDs twice")
    check(all(s.PatientID == name for s in slices), f"{name}: patient ID")
    check(np.allclose(np.diff(z), z[1] - z[0], atol=1e-6), f"{name}: uneven steps")
    check(float(slices[0].SliceThickness) <= z[0] - z[1] + 1e-6, f"{name}: thicker than its step")
    check(sorted(s.InstanceNumber for s in slices) == list(range(1, len(slices) + 1)), f"{name}: numbering")
    return slices


def contour_mask(points, side):
    """Inside the contour without the contour itself, as LIDC defines it."""
    mask = np.zeros((side, side), bool)
    rows, columns = polygon([p[1] for p in points], [p[0] for p in points], mask.shape)
    mask[rows, columns] = True
    for x, y in points:
        mask[y, x] = False
    return mask


def number(node, name):
    return node.find(NAMESPACE + name).text


def check_place(node, by_uid, where):
    uid = number(node, "imageSOP_UID")
    check(uid in by_uid, f"{where}: unknown slice")
    check(float(number(node, "imageZposition")) == float(by_uid[uid].ImagePositionPatient[2]), f"{where}: z")
    return by_uid[uid]


def read_nodule(node, by_uid, where):
    ratings = node.find(NAMESPACE + "characteristics")
    values = None
    if ratings is not None:
        values = {name: int(number(ratings, name)) for name in RATINGS}
        for name, top in RATINGS.items():
            check(1 <= values[name] <= top, f"{where}: {name} {values[name]}")
    masks = {}
    point = None
    for roi in node.findall(NAMESPACE + "roi"):
        s = check_place(roi, by_uid, where)
        check(number(roi, "inclusion") == "TRUE", f"{where}: inclusion")
        points = [(int(number(e, "xCoord")), int(number(e, "yCoord"))) for e in roi.findall(NAMESPACE + "edgeMap")]
        if ratings is None:
            check(len(points) == 1, f"{where}: a nodule without ratings has {len(points)} points")
            point = (s, *points[0])
            continue
        check(len(points) > 4 and points[0] == points[-1], f"{where}: open contour")
        steps = np.abs(np.diff(np.array(points), axis=0))
        check(steps.max() == 1, f"{where}: gap in a contour")
        masks[s.SOPInstanceUID] = contour_mask(points, s.Rows)
    return {"ratings": values, "masks": masks, "point": point}


def read_annotation(path, series):
    root = ElementTree.parse(path).getroot()
    check(root.tag == NAMESPACE + "LidcReadMessage", f"{path.name}: root {root.tag}")
    header = root.find(NAMESPACE + "ResponseHeader")
    slices = series[number(header, "SeriesInstanceUid")]
    check(number(header, "StudyInstanceUID") == slices[0].StudyInstanceUID, f"{path.name}: study")
    sessions = root.findall(NAMESPACE + "readingSession")
    check(len(sessions) == 4, f"{path.name}: {len(sessions)} sessions")
    by_uid = {s.SOPInstanceUID: s for s in slices}
    nodules, loci = [], []
    for session in sessions:
        for node in session.findall(NAMESPACE + "unblindedReadNodule"):
            nodules.append(read_nodule(node, by_uid, f"{path.name} {number(node, 'noduleID')}"))
        for node in session.findall(NAMESPACE + "nonNodule"):
            s = check_place(node, by_uid, path.name)
            locus = node.find(NAMESPACE + "locus")
            loci.append((s, int(number(locus, "xCoord")), int(number(locus, "yCoord"))))
    return slices, nodules, loci


def to_mm(s, x, y):
    return np.array([s.ImagePositionPatient[0] + x * s.PixelSpacing[1],
                     s.ImagePositionPatient[1] + y * s.PixelSpacing[0], s.ImagePositionPatient[2]], float)


def centre_mm(mark, by_uid):
    if mark["point"] is not None:
        return to_mm(*mark["point"])
    sums, count = np.zeros(3), 0
    for uid, mask in mark["masks"].items():
        rows, columns = np.nonzero(mask)
        sums += len(rows) * to_mm(by_uid[uid], columns.mean(), rows.mean())
        count += len(rows)
    return sums / count


def check_nodule(row, marks, slices):
    """The readers' marks against what truth.csv says was drawn."""
    where = f"{row['patient']} nodule {row['nodule']} ({row['class']})"
    spacing = float(slices[0].PixelSpacing[0])
    step = float(slices[0].ImagePositionPatient[2] - slices[1].ImagePositionPatient[2])
    low, high = MALIGNANCY[row["class"]]
    check(all(low <= m["ratings"]["malignancy"] <= high for m in marks), f"{where}: malignancy out of its range")
    check(len(marks) >= 2, f"{where}: seen by {len(marks)}")
    diameter = float(row["diameter_mm"])
    if row["juxtapleural"] == "0":
        areas = [max(mask.sum() for mask in m["masks"].values()) * spacing**2 for m in marks]
        drawn = 2 * math.sqrt(np.mean(areas) / math.pi)
        room = 0.22 * diameter + spacing
        check(abs(drawn - diameter) < room, f"{where}: outlined as {drawn:.1f} mm, drawn with {diameter} mm")
        expected = diameter / step
        counts = [len(m["masks"]) for m in marks]
        check(max(counts) <= 1.45 * expected + 2, f"{where}: outlined in {max(counts)} slices")
    nearest = min(slices, key=lambda s: abs(float(s.ImagePositionPatient[2]) - float(row["z_mm"])))
    masks = [m["masks"][nearest.SOPInstanceUID] for m in marks if nearest.SOPInstanceUID in m["masks"]]
    check(masks, f"{where}: nobody outlined its middle slice")
    if masks:
        inside = np.median(nearest.hu[np.mean(masks, axis=0) >= 0.5])
        check(-700 < inside < 1000, f"{where}: median inside is {inside} HU")


def check_truth(rows, annotations):
    for patient, (slices, nodules, loci) in annotations.items():
        by_uid = {s.SOPInstanceUID: s for s in slices}
        lesions = [r for r in rows if r["patient"] == patient]
        places = [np.array([float(r[k]) for k in ("x_mm", "y_mm", "z_mm")]) for r in lesions]
        marks = [[] for _ in lesions]
        for mark in nodules + [{"point": locus, "ratings": None, "masks": {}} for locus in loci]:
            gaps = [np.linalg.norm(centre_mm(mark, by_uid) - place) for place in places]
            check(gaps and min(gaps) < 8, f"{patient}: a mark where nothing was drawn")
            if gaps:
                marks[int(np.argmin(gaps))].append(mark)
        for row, found in zip(lesions, marks):
            check(len(found) == int(row["readers"]), f"{patient} {row['nodule']}: {len(found)} marks")
            if row["class"] in MALIGNANCY:
                check_nodule(row, found, slices)
            else:
                check(all(m["ratings"] is None for m in found), f"{patient} {row['nodule']}: rated")
            if row["class"] == "malignant":
                check(9 < float(row["diameter_mm"]) < 28, f"{patient}: malignant of {row['diameter_mm']} mm")
            if row["class"] == "benign":
                check(3 < float(row["diameter_mm"]) <= 9.1, f"{patient}: benign of {row['diameter_mm']} mm")
            if row["class"] == "small":
                check(float(row["diameter_mm"]) < 3, f"{patient}: small of {row['diameter_mm']} mm")


def main():
    archive = pathlib.Path(sys.argv[1])
    rendered = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    folders = sorted(archive.glob("images/PULMO-*/*"))
    series = {}
    for folder in folders:
        slices = read_series(folder, rendered)
        series[slices[0].SeriesInstanceUID] = slices
    annotations = {}
    for path in sorted(archive.glob("annotations/*.xml")):
        slices, nodules, loci = read_annotation(path, series)
        annotations[slices[0].PatientID] = (slices, nodules, loci)
    check(len(annotations) == len(folders) > 0, f"{len(folders)} series, {len(annotations)} annotations")
    rows = list(csv.DictReader(open(archive / "truth.csv", newline="")))
    check(all(r["series_uid"] in series for r in rows), "truth.csv names an unknown series")
    check_truth(rows, annotations)
    print("\n".join(faults) or f"{len(folders)} series, {len(rows)} lesions: no fault")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
