#!/usr/bin/python3
"""Two runs on the same test samples: ROC-AUC by nodule or series of each, and the difference with its 95 % interval.

    scripts/paired_auc.py FIRST/predictions.csv SECOND/predictions.csv [--slice-weights equal equal] [--positive CLASS] [--resamples 1000] [--seed 0]

`pulmo-train compare` does this for the rows of one run; this is for two runs of a row, on the same data and folds, or for two ways to weigh the slices
of the same predictions. A group's probability is the mean of its samples', or with the weights `sphere` what evaluation.slice_weights makes of them
(docs/train.md), and it is positive when any of them is; the positive class is the last column's unless --positive names another; the bootstrap
draws patients. Needs python3-numpy and python3-sklearn.
"""
import argparse
import collections
import csv

import numpy as np
from sklearn.metrics import roc_auc_score


def sphere_mean(p):
    """Of a nodule's slices in their order: log-odds, weighted by the sections of a sphere."""
    p = np.clip(p, 1e-12, 1 - 1e-12)
    weights = 1 - ((2 * np.arange(len(p)) + 1) / len(p) - 1) ** 2
    return 1 / (1 + np.exp(-np.average(np.log(p / (1 - p)), weights=weights)))


MEANS = {"equal": np.mean, "sphere": sphere_mean}


def groups_of(path, positive, slice_weights="equal"):
    """(patient, group) -> (is positive, mean probability), of the test part of two classes."""
    samples = collections.defaultdict(list)
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        classes = [name for name in reader.fieldnames if name.startswith("p_")]
        positive = f"p_{positive}" if positive else classes[-1]
        if positive not in classes:
            raise SystemExit(f"{path}: no column {positive}; there are {', '.join(classes)}")
        for row in reader:
            if row["split"] == "test":
                samples[row["patient"], row["group"]].append((f"p_{row['label']}" == positive, float(row[positive])))
    mean = MEANS[slice_weights]
    return {key: (any(label for label, _ in values), mean([value for _, value in values])) for key, values in samples.items()}


def interval_over_patients(statistic, labels, patients, resamples, seed):
    """95 % interval of statistic(places of the samples drawn), by bootstrap over patients; draws that lack a class are left out."""
    members = collections.defaultdict(list)
    for i, patient in enumerate(patients):
        members[patient].append(i)
    places = [np.array(own) for own in members.values()]
    random, values = np.random.default_rng(seed), []
    for _ in range(resamples):
        drawn = np.concatenate([places[i] for i in random.integers(0, len(places), len(places))])
        if 0 < labels[drawn].sum() < len(drawn):
            values.append(statistic(drawn))
    return np.percentile(values, [2.5, 97.5])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("--slice-weights", nargs=2, choices=MEANS, default=["equal", "equal"], help="of the first and the second")
    parser.add_argument("--positive")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    first, second = (groups_of(path, options.positive, weights)
                     for path, weights in zip((options.first, options.second), options.slice_weights))
    if {key: value[0] for key, value in first.items()} != {key: value[0] for key, value in second.items()}:
        raise SystemExit(f"{options.first} and {options.second} are not of the same test samples")
    keys = sorted(first)
    labels = np.array([first[key][0] for key in keys])
    scores = np.array([[run[key][1] for key in keys] for run in (first, second)])
    patients = [patient for patient, _ in keys]
    low, high = interval_over_patients(lambda drawn: np.subtract(*(roc_auc_score(labels[drawn], scores[run][drawn]) for run in (1, 0))),
                                       labels, patients, options.resamples, options.seed)
    a, b = (roc_auc_score(labels, run) for run in scores)
    print(f"{len(keys)} groups of {len(set(patients))} patients: ROC-AUC {a:.3f} and {b:.3f}, difference {b - a:.3f} [{low:.3f}, {high:.3f}]")


if __name__ == "__main__":
    main()
