"""Checks a prepared folder of the slice task against a reference pipeline in pydicom, NumPy and SciPy.

    lidc_slice_task.py PREPARED IMAGES.zip ANNOTATIONS.zip

IMAGES.zip holds one CT series; the folder was made with the default configuration and split.mode=none. Recomputes from the
files which slices are malignant and which are drawn as normal, the images, the lung masks and the readers' outlines,
and compares every sample in its order. Prints what was compared; exits with 1 at the first difference.
"""
import pathlib
import sys

import h5py
import numpy as np

import lidc_normals
import preprocess_golden
from lidc_reference import Series, check, dice, malignancy, resize_counts

MARGIN_MM = 5.0
MIN_LUNG = 0.01
TOLERANCE = 1e-4  # mean absolute difference; rounding alone gives 1e-8


def prepare(item):
    """Image and lungs of a slice, or None where no lung is found."""
    image, lungs = preprocess_golden.preprocess(item.pixels(), False, {})
    return None if lungs.mean() < MIN_LUNG else (image, lungs)


def label_slices(series):
    """Indices of malignant slices, and of those that may be normal."""
    malignant = {i for nodule in series.nodules if malignancy(nodule) > 3 for i, _ in series.cut_by(nodule)}
    marks = np.array([item.position for item in series.slices if item.z in series.marked])
    normal = [i for i, item in enumerate(series.slices) if np.abs(marks - item.position).min() > MARGIN_MM]
    return sorted(malignant), normal


def expected_samples(series):
    """(slice index, label, image, lungs) in the order of the shard."""
    positions = np.array([item.position for item in series.slices])
    heights = (positions - positions[0]) / (positions[-1] - positions[0])
    malignant, normal = label_slices(series)
    jobs = [(1, [i]) for i in malignant]
    jobs += [(0, choices) for choices in lidc_normals.draw_normals(heights[malignant], [(heights[i], i) for i in normal])]
    samples = []
    for label, choices in sorted(jobs, key=lambda job: job[1][0]):  # an alternate keeps the place of what it stands for
        prepared = ((i, prepare(series.slices[i])) for i in choices)
        found = next(((i, done) for i, done in prepared if done is not None), None)
        if found:
            samples.append((found[0], label, *found[1]))
    return samples


def check_lists(series, expected, shard):
    count = len(expected)
    check(list(shard["instances"].asstr()) == [series.slices[i].uid for i, *_ in expected], "the list of slices")
    check(list(shard["labels"]) == [label for _, label, *_ in expected], "the labels")
    check(list(shard["position_mm"]) == [series.slices[i].position for i, *_ in expected], "the positions")
    check(list(shard["patients"].asstr()) == [series.patient] * count, "the patients")
    for name in ("series", "groups"):
        check(list(shard[name].asstr()) == [series.uid] * count, "the " + name)


def check_sample(series, expected, shard, i):
    """Mean difference of the images, Dice of the lung masks and of the outlines; the consensus lies in the lungs."""
    index, _, image, lungs = expected
    difference = np.abs(shard["images"][i, 0].astype(float) - image).mean() / 65535
    check(difference <= TOLERANCE, f"sample {i}: images differ by {difference} on average")
    ours = shard["lungs"][i] > 0
    lung_dice = dice(ours, lungs > 0)
    check(lung_dice >= 0.99, f"sample {i}: Dice of the lung masks is {lung_dice}")
    votes, consensus = np.zeros(series.shape, np.uint8), np.zeros(series.shape, bool)
    for nodule in series.nodules:
        nodule_votes, agreed = series.votes(nodule, series.slices[index].z)
        votes, consensus = np.maximum(votes, nodule_votes), consensus | (agreed & (nodule_votes > 0))
    check((shard["nodules"][i] == resize_counts(votes, image.shape[0])).all(), f"sample {i}: the readers' outlines")
    inside = resize_counts(consensus.astype(np.uint8), image.shape[0]) > 0
    check(ours[inside].all(), f"sample {i}: the consensus leaves the lungs")
    return difference, lung_dice, inside.sum()


def main():
    series = Series(sys.argv[2], sys.argv[3])
    expected = expected_samples(series)
    paths = sorted(pathlib.Path(sys.argv[1]).glob("*.h5"))
    check([path.name for path in paths] == ["test-00000.h5"], f"shards {paths}")
    with h5py.File(paths[0]) as shard:
        check_lists(series, expected, shard)
        results = [check_sample(series, sample, shard, i) for i, sample in enumerate(expected)]
    differences, dices, nodule_px = zip(*results)
    malignant = sum(label for _, label, *_ in expected)
    check(all((px > 0) == (label == 1) for px, (_, label, *_) in zip(nodule_px, expected)), "where a nodule is seen")
    print(f"{malignant} malignant and {len(expected) - malignant} normal slices equal; images differ by at most "
          f"{max(differences):.2e} on average, Dice of the lungs at least {min(dices):.4f}, {sum(nodule_px)} consensus "
          "pixels inside the lungs")


if __name__ == "__main__":
    main()
