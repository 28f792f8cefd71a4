"""What the reference pipelines of the slice and the nodule task share: one series, its reading, its nodules."""
import io
import xml.etree.ElementTree as ElementTree
import zipfile

import numpy as np
import pydicom

import lidc_nodules
import preprocess_golden

NEARLY_HALF = 0.5 - 1e-6  # of an area, in sums of floats


def check(condition, message):
    if not condition:
        raise SystemExit("DIFFERENT: " + message)


class CtSlice:
    def __init__(self, header, name):
        self.uid, self.name = str(header.SOPInstanceUID), name
        row, column = np.reshape(np.array(header.ImageOrientationPatient, float), (2, 3))
        position = np.array(header.ImagePositionPatient, float)
        self.z = position[2]
        self.position = float(position @ np.cross(row, column))

    def pixels(self):
        return preprocess_golden.decode(self.name, False)


class Series:
    """The CT series of a zip, slices from the feet upwards, and its reading."""

    def __init__(self, images, annotations):
        self.slices, header = [], None
        with zipfile.ZipFile(images) as archive:
            for name in archive.namelist():
                if name.endswith(".dcm"):
                    header = pydicom.dcmread(io.BytesIO(archive.read(name)), stop_before_pixels=True)
                    self.slices.append(CtSlice(header, f"{images}!{name}"))
        self.slices.sort(key=lambda item: item.position)
        self.uid, self.patient = str(header.SeriesInstanceUID), str(header.PatientID)
        self.shape = (int(header.Rows), int(header.Columns))
        self.pixel_mm = float(header.PixelSpacing[0])
        marks, marked = lidc_nodules.read_marks(read_annotation(annotations, self.uid))
        self.marked = set(marked)
        nodules = lidc_nodules.cluster(marks, float(header.SliceThickness), self.pixel_mm)
        self.nodules = sorted(nodules, key=lidc_nodules.height)

    def cut_by(self, nodule):
        """Slices (index, slice) that the consensus of a nodule cuts."""
        heights = {z for mark in nodule for z, _, _ in mark["contours"]}
        return [(i, item) for i, item in enumerate(self.slices)
                if item.z in heights and lidc_nodules.consensus(nodule, item.z)[0] > 0]

    def votes(self, nodule, z):
        """How many readers outlined each pixel of a slice, and where at least half did."""
        outlines = [points for mark in nodule for height, _, points in mark["contours"] if height == z]
        votes = np.zeros(self.shape, np.uint8)
        if outlines:
            (x0, y0), (x1, y1) = np.vstack(outlines).min(axis=0), np.vstack(outlines).max(axis=0) + 1
            ys, xs = np.mgrid[y0:y1, x0:x1]
            for reader in {mark["reader"] for mark in nodule}:
                masks = [lidc_nodules.mark_mask(mark, z, xs, ys) for mark in nodule if mark["reader"] == reader]
                votes[y0:y1, x0:x1] += np.any(masks, axis=0)
        return votes, 2 * votes.astype(int) >= len({mark["reader"] for mark in nodule})


def read_annotation(path, series_uid):
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".xml"):
                root = ElementTree.fromstring(archive.read(name))
                uid = (root.findtext(".//" + lidc_nodules.NAMESPACE + "SeriesInstanceUid") or "").strip()
                if root.tag.endswith("LidcReadMessage") and uid == series_uid:
                    return root
    raise SystemExit("no annotation of this series")


def malignancy(nodule):
    return float(np.median([mark["malignancy"] for mark in nodule]))


def resize_counts(counts, size):
    """Counts as preprocessing resizes a mask: at each level, where at least half of the area reaches it."""
    side = max(counts.shape)
    square = np.zeros((side, side))
    top, left = ((side - extent) // 2 for extent in counts.shape)
    square[top:top + counts.shape[0], left:left + counts.shape[1]] = counts
    weights = preprocess_golden.resize_weights(side, size)
    return sum((weights @ (square >= level) @ weights.T >= NEARLY_HALF).astype(np.uint8)
               for level in range(1, int(counts.max()) + 1)) + np.zeros((size, size), np.uint8)


def dice(a, b):
    return 2 * (a & b).sum() / max(1, a.sum() + b.sum()) if (a | b).any() else 1.0
