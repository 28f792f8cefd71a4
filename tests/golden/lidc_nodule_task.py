"""Checks a prepared folder of the nodule task, 2D or 3D, against a reference pipeline in pydicom, NumPy and SciPy.

    lidc_nodule_task.py PREPARED IMAGES.zip ANNOTATIONS.zip

IMAGES.zip holds one CT series; the folder was made with the default configuration of the task and split.mode=none.
Recomputes the list of nodules and slices, labels, patches or volumes, and outlines, and compares every sample in its
order. Prints what was compared; exits with 1 at the first difference.
"""
import pathlib
import sys

import h5py
import numpy as np
from scipy import ndimage as ndi

import preprocess_golden
from lidc_reference import Series, check, dice, malignancy, resize_counts

EXTENT_MM = 48.0
AIR_HU = -1000.0
WINDOW_HU = (-1000.0, 400.0)
TOLERANCE = 1e-4  # mean absolute difference; rounding alone gives 1e-8


def cut(pixels, centre_yx, side, outside):
    top, left = (int(np.floor(c - 0.5 * (side - 1) + 0.5)) for c in centre_yx)
    padded = np.pad(pixels, side, constant_values=outside)
    return padded[top + side:top + 2 * side, left + side:left + 2 * side]


def expected_samples(series, volumes):
    """(nodule number, slice index, label) in the order of the shard; a volume is named after its largest slice."""
    samples = []
    for number, nodule in enumerate(series.nodules, 1):
        slices = [i for i, _ in series.cut_by(nodule)]
        if malignancy(nodule) == 3 or not slices:
            continue
        if volumes:
            slices = [max(slices, key=lambda i: series.votes(nodule, series.slices[i].z)[1].sum())]
        samples += [(number, i, int(malignancy(nodule) > 3)) for i in slices]
    return samples


def patch(series, nodule, index, size):
    item = series.slices[index]
    votes, consensus = series.votes(nodule, item.z)
    side = int(np.floor(EXTENT_MM / series.pixel_mm + 0.5))
    centre = np.argwhere(consensus).mean(axis=0)
    image, _ = preprocess_golden.preprocess(cut(item.pixels(), centre, side, AIR_HU), False,
                                            {"mask": "none", "size_px": size})
    return image, resize_counts(cut(votes, centre, side, 0), size)


def centre_of(series, nodule):
    """Mean (position, row, column) of the consensus."""
    return np.mean([(item.position, y, x) for _, item in series.cut_by(nodule)
                    for y, x in np.argwhere(series.votes(nodule, item.z)[1])], axis=0)


def window(pixels):
    low, high = WINDOW_HU
    return ndi.gaussian_filter(np.clip((pixels.astype(float) - low) / (high - low), 0, 1), 1.0, truncate=4, mode="reflect")


def volume(series, nodule, size):
    """The cube of 1 mm voxels around a nodule, linear between voxels, and the readers' outlines in it."""
    centre, offsets = centre_of(series, nodule), np.arange(size) - 0.5 * (size - 1)
    near = [item for item in series.slices if abs(item.position - centre[0]) < EXTENT_MM]
    steps = np.interp(centre[0] + offsets, [item.position for item in near], np.arange(len(near)))
    grid = np.meshgrid(steps, centre[1] + offsets / series.pixel_mm, centre[2] + offsets / series.pixel_mm, indexing="ij")
    values = ndi.map_coordinates(np.stack([window(item.pixels()) for item in near]), grid, order=1)
    votes = np.stack([series.votes(nodule, item.z)[0] for item in near])
    counts = sum((ndi.map_coordinates((votes >= level).astype(float), grid, order=1) >= 0.5 - 1e-6).astype(np.uint8)
                 for level in range(1, votes.max() + 1))
    return np.rint(65535 * (values - values.min()) / (values.max() - values.min())), counts


def check_lists(series, expected, shard):
    items = [series.slices[i] for _, i, _ in expected]
    check(list(shard["instances"].asstr()) == [item.uid for item in items], "the list of slices")
    check(list(shard["position_mm"]) == [item.position for item in items], "the positions")
    check(list(shard["labels"]) == [label for *_, label in expected], "the labels")
    check(list(shard["groups"].asstr()) == [f"{series.uid}/nodule-{number}" for number, *_ in expected], "the groups")
    check(list(shard["patients"].asstr()) == [series.patient] * len(items), "the patients")
    check(list(shard["series"].asstr()) == [series.uid] * len(items), "the series")


def check_sample(series, expected, shard, i):
    number, index, _ = expected
    nodule, size = series.nodules[number - 1], shard["images"].shape[-1]
    volumes = shard["images"].ndim == 5
    image, counts = volume(series, nodule, size) if volumes else patch(series, nodule, index, size)
    difference = np.abs(shard["images"][i, 0].astype(float) - image).mean() / 65535
    check(difference <= TOLERANCE, f"sample {i}: differs by {difference} on average")
    dices = [dice(shard["nodules"][i] >= level, counts >= level) for level in range(1, counts.max() + 1)]
    check(shard["nodules"][i].max() == counts.max() and min(dices) >= 0.99, f"sample {i}: Dice of the outlines {dices}")
    return difference, min(dices)


def main():
    series = Series(sys.argv[2], sys.argv[3])
    paths = sorted(pathlib.Path(sys.argv[1]).glob("*.h5"))
    check([path.name for path in paths] == ["test-00000.h5"], f"shards {paths}")
    with h5py.File(paths[0]) as shard:
        expected = expected_samples(series, shard["images"].ndim == 5)
        check_lists(series, expected, shard)
        differences, dices = zip(*(check_sample(series, sample, shard, i) for i, sample in enumerate(expected)))
    print(f"{len(expected)} samples equal; images differ by at most {max(differences):.2e} on average, Dice of the outlines "
          f"at least {min(dices):.4f}")


if __name__ == "__main__":
    main()
