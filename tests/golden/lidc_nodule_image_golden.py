"""Finds the nodule outlines of an LIDC reading in the slices of its CT series, by ElementTree, pydicom and scikit-image.

Usage: lidc_nodule_image_golden.py SERIES.zip XML.zip XML_NAME OUT: for each slice on which a reader outlined a nodule of at least
3 mm it writes OUT/i.mask (uint8, row-major: how many readers' outlines hold the pixel) and names the slice in OUT/slices.json.
"""
import io
import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree
import zipfile

import numpy as np
import pydicom
from skimage.draw import polygon

NAMES = {"l": "http://www.nih.gov"}


def outlines(reading):
    for nodule in reading.iterfind(".//l:unblindedReadNodule", NAMES):
        if nodule.find("l:characteristics", NAMES) is None:
            continue
        for roi in nodule.iterfind("l:roi", NAMES):
            points = [(int(edge.find("l:yCoord", NAMES).text), int(edge.find("l:xCoord", NAMES).text))
                      for edge in roi.iterfind("l:edgeMap", NAMES)]
            yield roi.find("l:imageSOP_UID", NAMES).text.strip(), np.array(points)


def main(series, xml, xml_name, out):
    out = pathlib.Path(out)
    archive = zipfile.ZipFile(series)
    by_uid = {}
    for name in archive.namelist():
        if name.endswith(".dcm"):
            header = pydicom.dcmread(io.BytesIO(archive.read(name)), stop_before_pixels=True)
            by_uid[header.SOPInstanceUID] = (name, header.Rows, header.Columns)
    masks = {}
    for uid, points in outlines(ElementTree.fromstring(zipfile.ZipFile(xml).read(xml_name))):
        name, rows, columns = by_uid[uid]
        mask = masks.setdefault(name, np.zeros((rows, columns), np.uint8))
        mask[polygon(points[:, 0], points[:, 1], mask.shape)] += 1
    for i, name in enumerate(masks):
        masks[name].tofile(out / f"{i}.mask")
    (out / "slices.json").write_text(json.dumps(list(masks)))


if __name__ == "__main__":
    main(*sys.argv[1:])
