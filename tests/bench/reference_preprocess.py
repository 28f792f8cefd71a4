"""The preprocessing of docs/preprocessing.md as one writes it with SciPy and scikit-image when speed matters.

Single precision, everything around a part inside its bounding box, distance transforms instead of large structuring
elements.
"""
import functools

import numpy as np
from scipy import ndimage as ndi
from skimage import filters, measure, morphology, transform

SIZE = 224
EIGHT = np.ones((3, 3), bool)


class NoLung(Exception):
    """The slice shows none."""


def radius(share):
    return max(1, int(np.floor(share * SIZE + 0.5)))


@functools.lru_cache(maxsize=None)
def disk(r):
    return morphology.disk(r).astype(bool)


def dilate(mask, r):
    return ndi.binary_dilation(mask, disk(r)) if r <= 2 else ndi.distance_transform_edt(~mask) <= r


def erode(mask, r):
    return ndi.binary_erosion(mask, disk(r), border_value=1) if r <= 2 else ndi.distance_transform_edt(mask) > r


def opening(mask, r):
    return dilate(erode(mask, r), r)


def closing(mask, r):
    box = ndi.find_objects(mask)[0]
    wide = np.pad(mask[box], r + 1)
    result = np.zeros_like(mask)
    result[box] = erode(dilate(wide, r), r)[r + 1:-r - 1, r + 1:-r - 1]
    return result


def is_gas(values, share):
    low, middle = np.quantile(values, (0.1, 0.5), method="lower")
    return (share < 0.025 and low < 0.05) or (share < 0.04 and middle < 0.02)


def find_airways(part, image, middle):
    dark = part & (image < 0.5 * np.quantile(image[part], 0.1, method="lower"))
    found = np.zeros_like(part)
    if not dark.any():
        return found
    for spot in measure.regionprops(measure.label(opening(dark, radius(0.004)), connectivity=2)):
        if not 0.0004 <= spot.area / SIZE**2 <= 0.006 or abs(spot.centroid[1] - middle) > 0.12 * SIZE:
            continue
        mask = np.zeros_like(part)
        mask[spot.slice] = spot.image
        wall = dilate(mask, radius(0.016)) & ~dilate(mask, radius(0.008))
        if image[wall].mean() > 0.37:
            found |= mask
    return found


def split_lungs(part, middle):
    """Two lungs that touch are cut where the bridge is thinnest."""
    left = np.mean(np.nonzero(part)[1] < middle)
    if min(left, 1 - left) < 0.15:
        return [part]
    depth, area = ndi.distance_transform_edt(part), part.sum()
    for r in range(1, radius(0.04) + 1):
        labels, count = ndi.label(depth > r, EIGHT)
        areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        order = np.argsort(-areas, kind="stable")[:2]
        if count >= 2 and areas[order[1]] >= 0.15 * area:
            first, second = (ndi.distance_transform_edt(labels != i + 1) for i in order)
            return [part & (first <= second), part & (first > second)]
    return [part]


def lungs_of(part, middle):
    lungs = np.zeros_like(part)
    for piece in measure.regionprops(measure.label(opening(part, radius(0.004)), connectivity=2)):
        if piece.area < 0.001 * SIZE**2:
            continue
        mask = np.zeros_like(part)
        mask[piece.slice] = piece.image
        for lung in split_lungs(mask, middle):
            if lung.any():
                lungs |= ndi.binary_fill_holes(closing(ndi.binary_fill_holes(lung), radius(0.08)))
    return lungs


def segment_lungs(image):
    dark = image <= filters.threshold_otsu(image)
    labels = measure.label(dark, connectivity=1)
    border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    outside = np.isin(labels, border[border > 0])
    middle = np.nonzero(~outside)[1].mean() if not outside.all() else 0.0
    lungs, gas = np.zeros_like(dark), np.zeros_like(dark)
    for part in measure.regionprops(labels):
        share = part.area / SIZE**2
        if share < 0.001 or part.label in border:
            continue
        margin = radius(0.016) + 1
        box = tuple(slice(max(0, s.start - margin), s.stop + margin) for s in part.slice)
        mask = labels[box] == part.label
        if is_gas(image[box][mask], share):
            gas[box] |= mask
            continue
        airways = find_airways(mask, image[box], middle - box[1].start)
        gas[box] |= airways
        if airways.any():
            mask = mask & ~dilate(airways, radius(0.008))
        lungs[box] |= lungs_of(mask, middle - box[1].start)
    rim = radius(0.004)
    return dilate(lungs, rim) & ~outside & ~dilate(gas, rim)


def as_square(pixels):
    """The picture in the middle of a black square."""
    side, result = max(pixels.shape), pixels
    if pixels.shape != (side, side):
        result = np.zeros((side, side), np.float32)
        top, left = ((side - extent) // 2 for extent in pixels.shape)
        result[top:top + pixels.shape[0], left:left + pixels.shape[1]] = pixels
    return result


def preprocess(hu):
    """(uint16 image, uint8 lungs) of a slice in HU."""
    image = np.clip((hu + np.float32(1000)) * np.float32(1 / 1400), 0, 1)
    image = ndi.gaussian_filter(image, 1.0, mode="reflect", truncate=4)
    low, high = image.min(), image.max()
    image = np.clip(transform.resize_local_mean(as_square((image - low) / (high - low)), (SIZE, SIZE)), 0, 1)
    lungs = segment_lungs(image)
    if lungs.mean() < 0.01:
        raise NoLung
    return np.rint(np.where(lungs, image, 0) * 65535).astype(np.uint16), lungs.astype(np.uint8)


def preprocess_votes(votes):
    """How many readers reach at least half of each output pixel."""
    result = np.zeros((SIZE, SIZE), np.uint8)
    if votes.any():
        square = as_square(votes)
        for level in range(1, int(votes.max()) + 1):
            share = transform.resize_local_mean((square >= level).astype(np.float32), (SIZE, SIZE))
            result += share >= 0.5 - 1e-6
    return result
