"""Checks a prepared folder of the nodule task, 2D or 3D, against a reference pipeline in pydicom, NumPy and SciPy.

    lidc_nodule_task.py PREPARED IMAGES.zip ANNOTATIONS.zip

IMAGES.zip holds one CT series; the folder was made with the default configuration of the task. Prints what was compared;
exits with 1 at the first difference.
"""
import pathlib
import sys

import h5py
import numpy as np
from scipy import ndimage as ndi

import lidc_nodules
import preprocess_golden
from lidc_slice_task import check, read_annotation, read_series

EXTENT_MM = 48.0
AIR_HU = -1000.0


def votes_and_consensus(nodule, z, shape):
    """How many readers outlined each pixel of a slice, and where at least half did."""
    points = np.vstack([points for mark in nodule for _, _, points in mark["contours"]])
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0) + 1
    ys, xs = np.mgrid[y0:y1, x0:x1]
    readers = sorted({mark["reader"] for mark in nodule})
    votes = np.zeros(shape, np.uint8)
    votes[y0:y1, x0:x1] = sum(
        np.any([lidc_nodules.mark_mask(mark, z, xs, ys) for mark in nodule if mark["reader"] == reader], axis=0)
        .astype(np.uint8) for reader in readers)
    return votes, 2 * votes.astype(int) >= len(readers)


def cut(pixels, centre_yx, side, outside):
    top, left = (int(np.floor(c - 0.5 * (side - 1) + 0.5)) for c in centre_yx)
    padded = np.pad(pixels, side, constant_values=outside)
    return padded[top + side:top + 2 * side, left + side:left + 2 * side]


class Reference:
    def __init__(self, images, annotations):
        self.slices = read_series(images)
        header = next(iter(self.slices.values()))[0]
        root = read_annotation(annotations, header.SeriesInstanceUID)
        self.pixel_mm = float(header.PixelSpacing[0])
        marks, _ = lidc_nodules.read_marks(root)
        nodules = lidc_nodules.cluster(marks, float(header.SliceThickness), self.pixel_mm)
        self.nodules = sorted(nodules, key=lidc_nodules.height)
        self.by_z = sorted((float(h.ImagePositionPatient[2]), name) for h, name in self.slices.values())

    def label(self, nodule):
        return int(np.median([mark["malignancy"] for mark in nodule]) > 3)

    def centre_on(self, nodule, z):
        _, consensus = votes_and_consensus(nodule, z, (512, 512))
        return np.argwhere(consensus).mean(axis=0) if consensus.any() else None

    def patch(self, nodule, z):
        pixels = preprocess_golden.decode(dict(self.by_z)[z], False)
        votes, _ = votes_and_consensus(nodule, z, pixels.shape)
        centre = self.centre_on(nodule, z)
        side = int(np.floor(EXTENT_MM / self.pixel_mm + 0.5))
        image, _ = preprocess_golden.preprocess(cut(pixels, centre, side, AIR_HU), False, {"mask": "none"})
        return image, cut(votes, centre, side, 0)

    def volume(self, nodule):
        points = []
        for z in sorted({z for mark in nodule for z, _, _ in mark["contours"]}):
            _, consensus = votes_and_consensus(nodule, z, (512, 512))
            points += [(z, y, x) for y, x in np.argwhere(consensus)]
        centre = np.mean(points, axis=0)
        heights = np.array([z for z, _ in self.by_z])
        stack = np.stack([ndi.gaussian_filter(np.clip((preprocess_golden.decode(name, False).astype(float) + 1000) / 1400,
                                                      0, 1), 1.0, truncate=4, mode="reflect")
                          for z, name in self.by_z if abs(z - centre[0]) < EXTENT_MM])
        heights = heights[np.abs(heights - centre[0]) < EXTENT_MM]
        offsets = np.arange(EXTENT_MM) - 0.5 * (EXTENT_MM - 1)
        steps = np.interp(centre[0] + offsets, heights, np.arange(len(heights)))
        grid = np.meshgrid(steps, centre[1] + offsets / self.pixel_mm, centre[2] + offsets / self.pixel_mm, indexing="ij")
        volume = ndi.map_coordinates(stack, grid, order=1)
        return np.rint(65535 * (volume - volume.min()) / (volume.max() - volume.min()))


def check_patch(reference, nodule, shard, i):
    image, votes = reference.patch(nodule, float(shard["position_mm"][i]))
    difference = np.abs(shard["images"][i, 0].astype(float) - image).mean() / 65535
    # The mask has been resized, so that areas agree up to what the outline's pixels make out.
    ours = (shard["nodules"][i] > 0).mean()
    check(abs(ours - (votes > 0).mean()) < 0.1 * (votes > 0).mean(), f"sample {i}: outlined share {ours}")
    return difference


def check_volume(reference, nodule, shard, i):
    ours = shard["images"][i, 0].astype(float)
    difference = np.abs(ours - reference.volume(nodule)).mean() / 65535
    volume_mm3 = (shard["nodules"][i] >= 2).sum()
    expected = sum(votes_and_consensus(nodule, z, (512, 512))[1].sum()
                   for z in {z for mark in nodule for z, _, _ in mark["contours"]}) * reference.pixel_mm ** 2 * 2.5
    check(abs(volume_mm3 - expected) < 0.1 * expected, f"sample {i}: {volume_mm3} mm3 instead of {expected}")
    return difference


def main():
    reference = Reference(sys.argv[2], sys.argv[3])
    differences, count = [], 0
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.h5")):
        with h5py.File(path) as shard:
            for i, group in enumerate(shard["groups"].asstr()):
                nodule = reference.nodules[int(group.rsplit("-", 1)[1]) - 1]
                check(shard["labels"][i] == reference.label(nodule), f"label of sample {i}")
                compare = check_volume if shard["images"].ndim == 5 else check_patch
                differences.append(compare(reference, nodule, shard, i))
                check(differences[-1] <= 1 / 255, f"sample {i}: differs by {differences[-1]} on average")
                count += 1
    print(f"{count} samples equal; images differ by at most {max(differences):.2e} on average")


if __name__ == "__main__":
    main()
