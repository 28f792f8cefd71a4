"""Deals patients into folds from the description in training/folds.h: folds_twin.py FILE, where FILE is JSON
{"strata": {patient: stratum}, "folds", "validation_fraction", "seed"}. Prints [{patient: part}, ...], one for each fold."""
import json
import math
import sys

from seed_twin import MersenneTwister64, derive_seed


def dealt_row(strata, seed):
    row = []
    for stratum in sorted(set(strata.values())):
        patients = sorted(patient for patient in strata if strata[patient] == stratum)
        row += MersenneTwister64(derive_seed(seed, "folds/" + stratum)).shuffle(patients)
    return row


def deal(job, fold):
    row = dealt_row(job["strata"], job["seed"])
    test = row[fold::job["folds"]]
    others = [patient for patient in row if patient not in set(test)]
    begin = MersenneTwister64(derive_seed(job["seed"], "folds/validation", 0, 0, fold)).uniform()
    marks = [math.floor(i * job["validation_fraction"] + begin) for i in range(len(others) + 1)]
    validation = [patient for i, patient in enumerate(others) if marks[i + 1] > marks[i]]
    parts = dict.fromkeys(row, "train")
    parts.update(dict.fromkeys(test, "test"))
    parts.update(dict.fromkeys(validation, "validation"))
    return parts


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        task = json.load(file)
    print(json.dumps([deal(task, fold) for fold in range(task["folds"])]))
