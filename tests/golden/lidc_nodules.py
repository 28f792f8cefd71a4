"""Second implementation of reading LIDC annotations, written from the rules in docs/prepare.md.

    lidc_nodules.py ANNOTATIONS.zip NAME.xml... : one JSON document on standard output

For each file the nodules: which reader's marks they are made of, their ratings, and for each slice the pixels that at
least half of the readers outlined (count and sums of x, y, x*y: equal sums mean equal masks for all practical purposes);
and how well the readers agree: the mean of Dice's coefficients of each with what at least half of the others outlined.
Geometry as `pulmo-prepare annotations` assumes it without a table: 0.7 mm pixels, the smallest distance of two contour
positions as slice thickness.
"""
import json
import sys
import xml.etree.ElementTree as ElementTree
import zipfile

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

NAMESPACE = "{http://www.nih.gov}"
CHARACTERISTICS = ["subtlety", "internalStructure", "calcification", "sphericity", "margin", "lobulation",
                   "spiculation", "texture", "malignancy"]
PIXEL_MM = 0.7


def text(node, name):
    return (node.findtext(NAMESPACE + name) or "").strip()


def rating(node, name):
    value = text(node, name)
    return int(value) if value.isdigit() else 0


def read_marks(root):
    """Rated outlines of all readers, and every position at which anything is marked."""
    marks, positions = [], set()
    for reader, session in enumerate(root.findall(NAMESPACE + "readingSession")):
        for other in session.findall(NAMESPACE + "nonNodule"):
            positions.add(float(text(other, "imageZposition")))
        for nodule in session.findall(NAMESPACE + "unblindedReadNodule"):
            contours = []
            for roi in nodule.findall(NAMESPACE + "roi"):
                points = [(int(text(edge, "xCoord")), int(text(edge, "yCoord")))
                          for edge in roi.findall(NAMESPACE + "edgeMap")]
                z = float(text(roi, "imageZposition"))
                positions.add(z)
                if len(points) > 1:
                    contours.append((z, text(roi, "inclusion") != "FALSE", np.array(points)))
            rated = nodule.find(NAMESPACE + "characteristics")
            if rated is None or not contours:
                continue
            ratings = [rating(rated, name) for name in CHARACTERISTICS]
            if min(ratings) > 0:
                marks.append({"reader": reader, "malignancy": ratings[-1], "contours": contours})
    return marks, sorted(positions)


def contour_points_mm(mark, pixel_mm=PIXEL_MM):
    return np.vstack([np.column_stack([points * pixel_mm, np.full(len(points), z)])
                      for z, _, points in mark["contours"]])


def cluster(marks, thickness, pixel_mm=PIXEL_MM):
    """Connected components of marks within the tolerance, which shrinks while one has more than four members."""
    points = [contour_points_mm(mark, pixel_mm) for mark in marks]
    distance = np.array([[cdist(a, b).min() for b in points] for a in points])
    tolerance = thickness
    while True:
        count, labels = connected_components(distance <= tolerance, directed=False)
        if np.bincount(labels).max() <= 4 or tolerance * 0.9 < 0.1:
            return [[marks[i] for i in np.flatnonzero(labels == k)] for k in range(count)]
        tolerance *= 0.9


def enclosed(points, xs, ys):
    """Pixels inside the polygon by the even-odd rule, and pixels on its edges."""
    inside = np.zeros(xs.shape, bool)
    on_edge = np.zeros(xs.shape, bool)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0)):
        cross = (x1 - x0) * (ys - y0) - (y1 - y0) * (xs - x0)
        within = ((xs >= min(x0, x1)) & (xs <= max(x0, x1)) & (ys >= min(y0, y1)) & (ys <= max(y0, y1)))
        on_edge |= (cross == 0) & within
        straddles = (y0 > ys) != (y1 > ys)
        inside ^= straddles & ((cross > 0) == (y1 > y0))
    return inside, on_edge


def mark_mask(mark, z, xs, ys):
    mask = np.zeros(xs.shape, bool)
    for position, inclusion, points in mark["contours"]:
        if position == z and inclusion:
            inside, on_edge = enclosed(points, xs, ys)
            mask |= inside & ~on_edge
    for position, inclusion, points in mark["contours"]:
        if position == z and not inclusion:
            inside, on_edge = enclosed(points, xs, ys)
            mask &= ~(inside | on_edge)
    return mask


def consensus(nodule, z):
    points = np.vstack([points for mark in nodule for position, _, points in mark["contours"] if position == z])
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    ys, xs = np.mgrid[y0:y1 + 1, x0:x1 + 1]
    readers = sorted({mark["reader"] for mark in nodule})
    votes = sum(np.any([mark_mask(mark, z, xs, ys) for mark in nodule if mark["reader"] == reader], axis=0).astype(int)
                for reader in readers)
    chosen = 2 * votes >= len(readers)
    return [int(chosen.sum()), int(xs[chosen].sum()), int(ys[chosen].sum()), int((xs * ys)[chosen].sum())]


def volume_of(nodule, reader):
    """What a reader outlined, (D,H,W): all heights of the nodule, the box around all of its contours."""
    heights = sorted({z for mark in nodule for z, _, _ in mark["contours"]})
    points = np.vstack([points for mark in nodule for _, _, points in mark["contours"]])
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    ys, xs = np.mgrid[y0:y1 + 1, x0:x1 + 1]
    return np.stack([np.any([mark_mask(mark, z, xs, ys) for mark in nodule if mark["reader"] == reader], axis=0)
                     for z in heights])


def reader_dice(nodule):
    """None for a single reader, and where nobody enclosed anything that could be compared."""
    readers = sorted({mark["reader"] for mark in nodule})
    if len(readers) == 1:
        return None
    volumes = np.stack([volume_of(nodule, reader) for reader in readers])
    coefficients = []
    for i, own in enumerate(volumes):
        others = np.delete(volumes, i, axis=0).mean(axis=0) >= 0.5
        if own.any() or others.any():
            coefficients.append(2 * np.logical_and(own, others).sum() / (own.sum() + others.sum()))
    return float(np.mean(coefficients)) if coefficients else None


def describe(nodule):
    slices = {}
    for z in sorted({z for mark in nodule for z, _, _ in mark["contours"]}):
        sums = consensus(nodule, z)
        if sums[0] > 0:
            slices[repr(z)] = sums
    return {"readers": [mark["reader"] for mark in nodule], "malignancies": [mark["malignancy"] for mark in nodule],
            "slices": slices, "reader_dice": reader_dice(nodule)}


def height(nodule):
    return np.mean([contour_points_mm(mark)[:, 2].mean() for mark in nodule])


def main():
    result = {}
    with zipfile.ZipFile(sys.argv[1]) as archive:
        for name in sys.argv[2:]:
            marks, positions = read_marks(ElementTree.fromstring(archive.read(name)))
            steps = np.diff(positions)
            nodules = cluster(marks, steps.min() if len(steps) else 2.5) if marks else []
            result[name] = [describe(nodule) for nodule in sorted(nodules, key=height)]
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
