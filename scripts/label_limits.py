#!/usr/bin/python3
"""How far labels that are readers' ratings can be met: two tables of ROC-AUC by nodule, with 95 % intervals by bootstrap over patients.

    scripts/label_limits.py --predictions RUN/ROW/predictions.csv --nodules lidc-nodule-slices.zip [--slice-weights sphere]
    scripts/label_limits.py --readings annotations.csv                       (written by pulmo-prepare annotations)

The first: a row's area among nodules by the distance of their mean malignancy from 3, where benign ends and malignant begins. The second: the
area of one reader's rating, taken as a score, against the mean of the same nodule's other readers, who are at least two and not undecided; a nodule
counts once for each reader. Needs python3-numpy and python3-sklearn.
"""
import argparse
import csv
import zipfile

import numpy as np
from sklearn.metrics import roc_auc_score

from nodule_slices_manifest import read_table
from paired_auc import MEANS, groups_of, interval_over_patients

BOUNDARY = 3.0
DISTANCES = ((0.0, 0.5), (0.5, 1.0), (1.0, 1.5), (1.5, 2.1), (0.5, 2.1))


def line(name, labels, scores, patients, options):
    """One row of a table; nothing can be said where one of the classes is missing."""
    if not 0 < labels.sum() < len(labels):
        return f"| {name} | {len(labels)} | {len(set(patients))} | |"
    low, high = interval_over_patients(lambda drawn: roc_auc_score(labels[drawn], scores[drawn]), labels, patients,
                                       options.resamples, options.seed)
    return f"| {name} | {len(labels)} | {len(set(patients))} | {roc_auc_score(labels, scores):.3f} [{low:.3f}, {high:.3f}] |"


def by_distance(options):
    """A row's area among nodules whose mean rating is so far from the boundary."""
    groups = groups_of(options.predictions, options.positive, options.slice_weights)
    with zipfile.ZipFile(options.nodules) as archive:
        rows, nodule = read_table(archive)
    means = {f"{row['patient']}/nodule-{row[nodule]}": float(row["malignancy_mean"]) for row in rows}
    unknown = [group for _, group in groups if group not in means]
    if unknown:
        raise SystemExit(f"{options.nodules}: rates no {unknown[0]}, which {options.predictions} holds ({len(unknown)} such)")
    distances = np.array([abs(means[group] - BOUNDARY) for _, group in groups])
    labels = np.array([label for label, _ in groups.values()])
    scores = np.array([score for _, score in groups.values()])
    patients = np.array([patient for patient, _ in groups])
    print("| mean rating from 3 | nodules | patients | ROC-AUC |\n|---|---|---|---|")
    print(line("any", labels, scores, patients, options))
    for low, high in DISTANCES:
        chosen = (distances >= low) & (distances < high)
        name = f"{low:g} or more" if high > 2 else f"{low:g} to {high:g}"
        print(line(name, labels[chosen], scores[chosen], patients[chosen], options))


def by_reader(options):
    """The area of a reader's rating against the mean of the others'."""
    labels, scores, series = [], [], []
    with open(options.readings, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            ratings = [int(rating) for rating in row["malignancies"].split(";") if rating]
            for i, rating in enumerate(ratings if len(ratings) > 2 else []):
                others = np.mean(ratings[:i] + ratings[i + 1:])
                if others != BOUNDARY:
                    labels.append(others > BOUNDARY)
                    scores.append(rating)
                    series.append(row["series_uid"])  # a patient has one series; not every row names its patient
    print("| score | ratings | series | ROC-AUC |\n|---|---|---|---|")
    print(line("one reader, against the mean of the others", np.array(labels), np.array(scores), series, options))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", help="of a row, over the nodules of --nodules")
    parser.add_argument("--nodules", help="archive of nodule slices, with the mean ratings")
    parser.add_argument("--readings", help="table of pulmo-prepare annotations")
    parser.add_argument("--slice-weights", choices=MEANS, default="equal", help="as paired_auc.py has them")
    parser.add_argument("--positive")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if bool(options.predictions) != bool(options.nodules) or not (options.predictions or options.readings):
        parser.error("give --predictions and --nodules, or --readings, or all three")
    if options.predictions:
        by_distance(options)
    if options.readings:
        by_reader(options)


if __name__ == "__main__":
    main()
