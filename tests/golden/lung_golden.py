"""Second implementation of the lung segmentation of docs/preprocessing.md, in NumPy and SciPy."""
import numpy as np
from scipy import ndimage as ndi

EIGHT = np.ones((3, 3), bool)
SLACK = 1e-3  # distances are compared with a radius this much larger: they are square roots of whole numbers


def radius(share, size):
    return max(1, int(np.floor(share * size + 0.5)))


def otsu(image):
    counts = np.bincount(np.clip((image * 256).astype(int), 0, 255).ravel(), minlength=256).astype(float)
    bins = np.arange(256.0)
    below, sum_below = np.cumsum(counts)[:-1], np.cumsum(counts * bins)[:-1]
    above, sum_above = counts.sum() - below, (counts * bins).sum() - sum_below
    usable = (below > 0) & (above > 0)
    between = np.full(255, -1.0)
    gap = sum_below[usable] / below[usable] - sum_above[usable] / above[usable]
    between[usable] = below[usable] * above[usable] * gap**2
    return (np.argmax(between) + 1) / 256 if usable.any() else 129 / 256


def dilate(mask, r):
    return ndi.distance_transform_edt(~mask) <= r + SLACK if mask.any() else mask.copy()


def erode(mask, r):
    """What lies beyond the picture counts as set."""
    return ndi.distance_transform_edt(mask) > r + SLACK if not mask.all() else mask.copy()


def close(mask, r):
    """Closing on an unbounded plane."""
    wide = np.pad(mask, r + 1)
    return erode(dilate(wide, r), r)[r + 1:-r - 1, r + 1:-r - 1]


def open_(mask, r):
    return dilate(erode(mask, r), r)


def rank(values, share):
    return np.sort(values)[int(share * (len(values) - 1))]


def parts_of(mask, structure=None):
    labels, count = ndi.label(mask, structure)
    return [labels == i for i in range(1, count + 1)]


def find_airways(part, image, middle):
    """Very dark spots with a wall, near the middle of the body: trachea and main bronchi that leak into a lung."""
    size = image.shape[0]
    dark = part & (image < 0.5 * rank(image[part], 0.1))
    found = np.zeros_like(part)
    for spot in parts_of(open_(dark, radius(0.004, size)), EIGHT):
        area = spot.sum() / image.size
        if not 0.0004 <= area <= 0.006 or abs(np.nonzero(spot)[1].mean() - middle) > 0.12 * size:
            continue
        wall = dilate(spot, radius(0.016, size)) & ~dilate(spot, radius(0.008, size))
        if image[wall].mean() > 0.37:
            found |= spot
    return found


def split_lungs(part, middle):
    """One part on both sides of the body's middle is two lungs that touch: cut where it is thinnest."""
    columns = np.nonzero(part)[1]
    left = np.mean(columns < middle)
    if min(left, 1 - left) < 0.15:
        return [part]
    depth = ndi.distance_transform_edt(part)
    for r in range(1, radius(0.04, part.shape[0]) + 1):
        labels, count = ndi.label(depth > r + SLACK, EIGHT)
        areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        order = np.argsort(-areas, kind="stable")
        if count >= 2 and areas[order[1]] >= 0.15 * part.sum():
            seeds = [labels == order[0] + 1, labels == order[1] + 1]
            nearer_first = ndi.distance_transform_edt(~seeds[0]) <= ndi.distance_transform_edt(~seeds[1])
            return [part & nearer_first, part & ~nearer_first]
    return [part]


def segment_lungs(image, threshold=None):
    size, total = image.shape[0], image.size
    dark = image <= (otsu(image) if threshold is None else threshold)
    labels, _ = ndi.label(dark)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    outside = dark & np.isin(labels, border)
    if outside.all():
        return np.zeros(image.shape, bool)
    middle = np.nonzero(~outside)[1].mean()
    lungs, gas = np.zeros(image.shape, bool), np.zeros(image.shape, bool)
    for part in parts_of(dark & ~outside):
        share, values = part.sum() / total, image[part]
        if share < 0.001:
            continue
        if (share < 0.025 and rank(values, 0.1) < 0.05) or (share < 0.04 and rank(values, 0.5) < 0.02):
            gas |= part
            continue
        airways = find_airways(part, image, middle)
        gas |= airways
        part = open_(part & ~dilate(airways, radius(0.008, size)), radius(0.004, size))
        for piece in parts_of(part, EIGHT):
            if piece.sum() < 0.001 * total:
                continue
            for lung in split_lungs(piece, middle):
                closed = close(ndi.binary_fill_holes(lung), radius(0.08, size))
                lungs |= ndi.binary_fill_holes(closed)
    lungs = dilate(lungs, radius(0.004, size))
    return lungs & ~outside & ~dilate(gas, radius(0.004, size))
