"""LIDC series and readings in pydicom, ElementTree, SciPy and scikit-image: the reference pipeline's half without pixels."""
import collections
import io
import os
import xml.etree.ElementTree as ElementTree
import zipfile

import numpy as np
import pydicom
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from skimage.draw import polygon

NS = "{http://www.nih.gov}"
RATINGS = ("subtlety", "internalStructure", "calcification", "sphericity", "margin", "lobulation", "spiculation",
           "texture", "malignancy")
TAGS = ["SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "PatientID", "Modality", "ImageType", "InstanceNumber",
        "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "Rows", "Columns"]

Slice = collections.namedtuple("Slice", "name uid series patient position thickness spacing shape")
Mark = collections.namedtuple("Mark", "reader malignancy contours")  # contours: (z, inclusion, points)
_zips = {}


def list_files(path, suffix):
    """Names of files in a folder or a zip; those in a zip as 'archive.zip!inner'."""
    if os.path.isdir(path):
        return sorted(os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names
                      if name.endswith(suffix))
    with zipfile.ZipFile(path) as archive:
        return [f"{path}!{name}" for name in archive.namelist() if name.endswith(suffix)]


def open_file(name):
    if "!" not in name:
        return name
    path, inner = name.split("!", 1)
    if path not in _zips:
        _zips[path] = zipfile.ZipFile(path)
    return io.BytesIO(_zips[path].read(inner))


def read_header(name):
    """The slice's description, or None for what is no CT slice."""
    try:
        header = pydicom.dcmread(open_file(name), stop_before_pixels=True, specific_tags=TAGS)
    except pydicom.errors.InvalidDicomError:
        return None
    if header.Modality != "CT" or "LOCALIZER" in header.ImageType:
        return None
    row, column = np.reshape(np.array(header.ImageOrientationPatient, float), (2, 3))
    position = float(np.array(header.ImagePositionPatient, float) @ np.cross(row, column))
    return Slice(name, str(header.SOPInstanceUID), str(header.SeriesInstanceUID), str(header.PatientID), position,
                 float(header.SliceThickness), float(header.PixelSpacing[0]), (header.Rows, header.Columns))


def read_pixels(name):
    dataset = pydicom.dcmread(open_file(name))
    hu = dataset.pixel_array * np.float32(dataset.RescaleSlope) + np.float32(dataset.RescaleIntercept)
    if "PixelPaddingValue" in dataset:
        padding = dataset.pixel_array == np.int16(dataset.PixelPaddingValue)
        hu[padding] = np.minimum(hu[padding], -1000)
    return hu


def rating(node, name):
    text = (node.findtext(NS + name) or "").strip()
    return int(text) if text.isdigit() else 0


def read_marks(session, reader, positions):
    for node in session.iter(NS + "nonNodule"):
        positions.add(float(node.findtext(NS + "imageZposition")))
    for node in session.iter(NS + "unblindedReadNodule"):
        contours = []
        for roi in node.iter(NS + "roi"):
            z = float(roi.findtext(NS + "imageZposition"))
            positions.add(z)
            points = np.array([(int(edge.findtext(NS + "xCoord")), int(edge.findtext(NS + "yCoord")))
                               for edge in roi.iter(NS + "edgeMap")])
            if len(points) > 1:
                contours.append((z, (roi.findtext(NS + "inclusion") or "").strip() != "FALSE", points))
        rated = node.find(NS + "characteristics")
        if rated is None or not contours or min(rating(rated, name) for name in RATINGS) == 0:
            continue
        yield Mark(reader, rating(rated, "malignancy"), contours)


def read_reading(name):
    """(series UID, marks, marked z) of an annotation file, or None for a radiograph's."""
    file = open_file(name)
    root = ElementTree.parse(file).getroot()
    if root.tag != NS + "LidcReadMessage":
        return None
    header, positions = root.find(NS + "ResponseHeader"), set()
    uid = (header.findtext(NS + "SeriesInstanceUid") or header.findtext(NS + "SeriesInstanceUID")).strip()
    marks = [mark for reader, session in enumerate(root.iter(NS + "readingSession"))
             for mark in read_marks(session, reader, positions)]
    return uid, marks, positions


def cluster(marks, thickness, spacing):
    """Marks whose contours come within a slice thickness are one nodule; tighter where more than four meet."""
    if not marks:
        return []
    points = [np.vstack([np.column_stack([p * spacing, np.full(len(p), z)]) for z, _, p in mark.contours]) for mark in marks]
    count = len(marks)
    distance = np.zeros((count, count))
    for i in range(count):
        for k in range(i):
            distance[i, k] = distance[k, i] = cdist(points[i], points[k]).min()
    tolerance = thickness
    while True:
        parts, labels = connected_components(distance <= tolerance, directed=False)
        if np.bincount(labels).max() <= 4 or tolerance * 0.9 < 0.1:
            return [[marks[i] for i in np.flatnonzero(labels == part)] for part in range(parts)]
        tolerance *= 0.9


def mark_mask(mark, z, shape):
    mask = np.zeros(shape, bool)
    for inclusion in (True, False):
        for height, included, points in mark.contours:
            if height == z and included == inclusion:
                mask[polygon(points[:, 1], points[:, 0], shape)] = inclusion
                mask[points[:, 1], points[:, 0]] = False
    return mask


def votes_on(nodule, z, shape):
    """How many readers outlined each pixel of a slice; the outline itself is outside."""
    votes = np.zeros(shape, np.uint8)
    for reader in {mark.reader for mark in nodule}:
        votes += np.any([mark_mask(mark, z, shape) for mark in nodule if mark.reader == reader], axis=0)
    return votes
