"""Recomputes the trainer's statistics with scikit-learn, SciPy and NumPy, and compares.

training_statistics_twin.py metrics FOLDER      metrics.json against predictions.csv, intervals included
training_statistics_twin.py calibration FOLDER  calibration.json against raw.csv (probabilities at temperature 1)
training_statistics_twin.py paired FOLDER       comparison.json against ROW/predictions.csv and ROW/metrics.json

Exits with 1 and names the figures that differ by more than 1e-9 (1e-6 for what a search finds).
"""
import csv
import json
import math
import sys
from pathlib import Path

import numpy as np
from scipy import optimize, stats
from sklearn import metrics as sk

TOLERANCE = 1e-9
MASK = (1 << 64) - 1
NAMES = ("accuracy", "precision", "recall", "specificity", "f1", "roc_auc", "pr_auc", "brier", "ece",
         "specificity_at_90")
differences = []


def check(name, ours, expected, tolerance=TOLERANCE):
    ours = math.nan if ours is None else ours
    if not (math.isnan(ours) and math.isnan(expected)) and not abs(ours - expected) <= tolerance:
        differences.append(f"{name}: {ours!r}, expected {expected!r}")


# --- the random numbers of core/support/seed.h -----------------------------------------------------------------------


def split_mix(counter):
    z = (counter + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def derive_seed(run_seed, purpose, epoch=0, rank=0, index=0):
    name = 0xCBF29CE484222325
    for byte in purpose.encode():
        name = ((name ^ byte) * 0x100000001B3) & MASK
    seed = split_mix(run_seed)
    for part in (name, epoch, rank, index):
        seed = split_mix(seed ^ part)
    return seed


class MersenneTwister64:
    """Matsumoto, Nishimura: mt19937-64."""

    def __init__(self, seed):
        self.state = [seed]
        for i in range(1, 312):
            last = self.state[-1]
            self.state.append((6364136223846793005 * (last ^ (last >> 62)) + i) & MASK)
        self.at = 312

    def __call__(self):
        if self.at == 312:
            for i in range(312):
                x = (self.state[i] & 0xFFFFFFFF80000000) | (self.state[(i + 1) % 312] & 0x7FFFFFFF)
                self.state[i] = self.state[(i + 156) % 312] ^ (x >> 1) ^ (0xB5026F5AA96619E9 if x & 1 else 0)
            self.at = 0
        x = self.state[self.at]
        self.at += 1
        x ^= (x >> 29) & 0x5555555555555555
        x ^= (x << 17) & 0x71D67FFFEDA60000
        x ^= (x << 37) & 0xFFF7EEE000000000
        return x ^ (x >> 43)

    def below(self, bound):
        limit = MASK - MASK % bound
        value = self()
        while value >= limit:
            value = self()
        return value % bound


# --- predictions -----------------------------------------------------------------------------------------------------


def read_predictions(path, classes):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["y"] = classes.index(row["label"])
        row["fold"] = int(row.get("fold") or 1)
        row["p"] = np.array([float(row["p_" + name]) for name in classes])
    return rows


def sphere_mean(p):
    """Of the slices of one nodule, (n, K) in their order: log p, weighted by the sections of a sphere."""
    weights = 1 - ((2 * np.arange(len(p)) + 1) / len(p) - 1) ** 2
    mean = np.exp(np.average(np.log(np.maximum(p, 1e-12)), axis=0, weights=weights))
    return mean / mean.sum()


def aggregate(rows, level, positive, slice_weights="equal"):
    if level == "sample":
        return rows
    pools = {}
    for row in rows:
        key = (row["patient"], row["group"]) if level == "group" else row["patient"]
        pools.setdefault(key, []).append(row)
    result = []
    for members in pools.values():
        labels = [member["y"] for member in members]
        label = positive if positive in labels else int(np.argmax(np.bincount(labels)))
        p = np.array([member["p"] for member in members])
        p = sphere_mean(p) if level == "group" and slice_weights == "sphere" else p.mean(axis=0)
        result.append({"patient": members[0]["patient"], "y": label, "p": p,
                       "fold": members[0]["fold"]})
    return result


def thresholds_of(rows, facts):
    """Of each row: that of the run, or of the fold whose model scored it."""
    if not facts.get("folds"):
        return np.full(len(rows), facts["threshold"])
    return np.array([facts["folds"][row["fold"] - 1]["threshold"] for row in rows])


def decisions(p, positive, threshold):
    others = p.copy()
    others[:, positive] = -1
    return np.where(p[:, positive] >= threshold, positive, others.argmax(1))


def calibration_error(truth, score):
    place = np.minimum((score * 10).astype(int), 9)
    gap = 0.0
    for k in range(10):
        inside = place == k
        if inside.any():
            gap += inside.mean() * abs(truth[inside].mean() - score[inside].mean())
    return gap


def specificity_at_90(truth, score):
    """At the highest score from which nine tenths of the positives are found."""
    thresholds = np.sort(score[truth])[::-1]
    needed = math.ceil(0.9 * len(thresholds) - 1e-9)
    return float(np.mean(score[~truth] < thresholds[needed - 1]))


def figures(y, p, positive, threshold):
    truth, score = y == positive, p[:, positive]
    decided = decisions(p, positive, threshold)
    hit = decided == positive
    both = truth.any() and not truth.all()
    return {
        "accuracy": sk.accuracy_score(y, decided),
        "precision": sk.precision_score(truth, hit) if hit.any() else math.nan,
        "recall": sk.recall_score(truth, hit) if truth.any() else math.nan,
        "specificity": sk.recall_score(~truth, ~hit) if not truth.all() else math.nan,
        "f1": sk.f1_score(truth, hit) if (truth | hit).any() else math.nan,
        "roc_auc": sk.roc_auc_score(truth, score) if both else math.nan,
        "pr_auc": sk.average_precision_score(truth, score) if both else math.nan,
        "brier": np.mean((score - truth) ** 2),
        "ece": calibration_error(truth, score),
        "specificity_at_90": specificity_at_90(truth, score) if both else math.nan,
    }


def resample_indices(patients, options, r):
    """Row numbers of one resample: whole patients, in order of first appearance, drawn with replacement."""
    names = list(dict.fromkeys(patients))
    rows = {name: [i for i, patient in enumerate(patients) if patient == name] for name in names}
    random = MersenneTwister64(derive_seed(options["seed"], "bootstrap", 0, 0, r))
    return np.array([i for _ in names for i in rows[names[random.below(len(names))]]])


def interval(values, options):
    values = np.array(values)
    values = values[~np.isnan(values)]
    if 2 * len(values) < options["resamples"] or len(values) == 0:
        return math.nan, math.nan
    tail = (1 - options["level"]) / 2
    return np.quantile(values, tail), np.quantile(values, 1 - tail)


# --- the three checks ------------------------------------------------------------------------------------------------


def check_names(name, ours, expected):
    """A figure that nothing here recomputes would go unchecked."""
    if set(ours) != set(expected):
        differences.append(f"{name} holds {sorted(ours)}, expected {sorted(expected)}")


def check_level(name, ours, rows, facts, positive):
    check_names(name, ours, (*NAMES, "n", "confusion", "interval"))
    check_names(f"{name} interval", ours["interval"], NAMES)
    y = np.array([row["y"] for row in rows])
    p = np.array([row["p"] for row in rows])
    patients = [row["patient"] for row in rows]
    threshold = thresholds_of(rows, facts)
    if ours["n"] != len(rows):
        differences.append(f"{name} n: {ours['n']}, expected {len(rows)}")
    for metric, value in figures(y, p, positive, threshold).items():
        check(f"{name} {metric}", ours[metric], value)
    confusion = sk.confusion_matrix(y, decisions(p, positive, threshold), labels=range(p.shape[1]))
    if confusion.tolist() != ours["confusion"]:
        differences.append(f"{name} confusion: {ours['confusion']}, expected {confusion.tolist()}")
    options = facts["bootstrap"]
    drawn = []
    for r in range(options["resamples"]):
        at = resample_indices(patients, options, r)
        drawn.append(figures(y[at], p[at], positive, threshold[at]))
    for metric in NAMES:
        low, high = interval([one[metric] for one in drawn], options)
        check(f"{name} {metric} low", ours["interval"][metric][0], low)
        check(f"{name} {metric} high", ours["interval"][metric][1], high)


def check_metrics(folder):
    facts = json.loads((folder / "metrics.json").read_text())
    positive = facts["classes"].index(facts["positive_class"])
    rows = read_predictions(folder / "predictions.csv", facts["classes"])
    splits = list(dict.fromkeys(row["split"] for row in rows))
    check_names("the file", [name for name, value in facts.items() if isinstance(value, dict) and "sample" in value], splits)
    for split in splits:
        samples = [row for row in rows if row["split"] == split]
        check_names(split, facts[split], ("sample", "group", "patient"))
        for level in ("sample", "group", "patient"):
            check_level(f"{split} {level}", facts[split][level], aggregate(samples, level, positive, facts["slice_weights"]), facts, positive)
    if not splits:
        differences.append("no predictions at all")


def check_calibration(folder):
    ours = json.loads((folder / "calibration.json").read_text())
    rows = read_predictions(folder / "raw.csv", ours["classes"])
    y = np.array([row["y"] for row in rows])
    logits = np.log(np.array([row["p"] for row in rows]))

    def loss(inverse):
        scaled = logits * inverse
        return np.mean(np.log(np.exp(scaled).sum(1)) - scaled[np.arange(len(y)), y])

    best = optimize.minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-10})
    check("temperature", ours["temperature"], 1 / best.x, 1e-5 / best.x)
    check("loss", ours["loss"], loss(1.0))
    positive = ours["positive"]
    sharp = np.exp(logits / ours["temperature"])
    sharp /= sharp.sum(1, keepdims=True)
    for i, row in enumerate(ours["calibrated"]):
        for k, value in enumerate(row):
            check(f"calibrated {i} {k}", value, sharp[i, k])
    fpr, tpr, thresholds = sk.roc_curve(y == positive, sharp[:, positive], drop_intermediate=False)
    chosen = sharp[:, positive] >= ours["threshold"]
    truth = y == positive
    youden = chosen[truth].mean() - chosen[~truth].mean()
    check("youden", youden, (tpr - fpr).max())


def delong(first, second, truth):
    """From the definition: placement values of all pairs, and the covariance of their means."""
    def placements(score):
        wins = (score[truth][:, None] > score[~truth][None, :]) + 0.5 * (score[truth][:, None] == score[~truth][None, :])
        return wins.mean(1), wins.mean(0)

    (a10, a01), (b10, b01) = placements(first), placements(second)
    variance = np.var(a10 - b10, ddof=1) / truth.sum() + np.var(a01 - b01, ddof=1) / (~truth).sum()
    if variance == 0:
        return (0.0, 1.0) if a10.mean() == b10.mean() else (math.nan, math.nan)
    z = (a10.mean() - b10.mean()) / math.sqrt(variance)
    return z, 2 * stats.norm.sf(abs(z))


def holm(p_values):
    """From the definition: corrected_i = max over the hypotheses j with p_j <= p_i of min(1, (number with p >= p_j) p_j),
    ties by their order."""
    p = np.array(p_values, dtype=float)
    defined = np.flatnonzero(~np.isnan(p))
    order = defined[np.lexsort((defined, p[defined]))]
    steps = np.minimum(1, (len(order) - np.arange(len(order))) * p[order])
    corrected = np.full(len(p), math.nan)
    corrected[order] = np.maximum.accumulate(steps)
    return corrected


def check_holm(ours):
    """Each test's family is the rows at one level."""
    tested = [row for row in ours["rows"] if row["row"] != ours["reference"]]
    for level in ("sample", "group", "patient"):
        for test in ("delong_p", "mcnemar_p"):
            of_rows = [row["against_reference"][level] for row in tested]
            raw = [math.nan if one[test] is None else one[test] for one in of_rows]
            for row, one, expected in zip(tested, of_rows, holm(raw)):
                check(f"{row['row']} {level} {test} holm", one[test + "_holm"], expected)


def check_paired(folder):
    ours = json.loads((folder / "comparison.json").read_text())
    classes = ours["classes"]
    tables = {}
    for row in ours["rows"]:
        facts = json.loads((folder / row["row"] / "metrics.json").read_text())
        positive = classes.index(facts["positive_class"])
        rows = read_predictions(folder / row["row"] / "predictions.csv", classes)
        tables[row["row"]] = (facts, positive, [one for one in rows if one["split"] == "test"])
    for row in ours["rows"]:
        if row["row"] == ours["reference"]:
            continue
        for level in ("sample", "group", "patient"):
            got = row["against_reference"][level]
            name = f"{row['row']} {level}"
            sides = []
            for facts, positive, rows in (tables[row["row"]], tables[ours["reference"]]):
                rows = aggregate(rows, level, positive, facts["slice_weights"])
                p = np.array([one["p"] for one in rows])
                y = np.array([one["y"] for one in rows])
                sides.append((p[:, positive], decisions(p, positive, thresholds_of(rows, facts)) == y))
            truth = y == positive
            patients = [one["patient"] for one in rows]
            (first, first_right), (second, second_right) = sides
            b, c = int((first_right & ~second_right).sum()), int((~first_right & second_right).sum())
            check(name + " mcnemar", got["mcnemar_p"], stats.binomtest(b, b + c).pvalue if b + c else 1.0)
            check(name + " only this", got["mcnemar_only_this_right"], b)
            z, p_value = delong(first, second, truth)
            check(name + " delong z", got["delong_z"], z, 1e-8)
            check(name + " delong p", got["delong_p"], p_value, 1e-8)

            options = facts["bootstrap"]
            for key, figure in (("auc", sk.roc_auc_score), ("specificity", specificity_at_90)):

                def difference(at):
                    if truth[at].all() or not truth[at].any():
                        return math.nan
                    return figure(truth[at], first[at]) - figure(truth[at], second[at])

                check(f"{name} {key} difference", got[key + "_difference"], difference(np.arange(len(truth))))
                low, high = interval([difference(resample_indices(patients, options, r))
                                      for r in range(options["resamples"])], options)
                check(f"{name} {key} low", got[key + "_difference_interval"][0], low)
                check(f"{name} {key} high", got[key + "_difference_interval"][1], high)
    check_holm(ours)


def main():
    mode, folder = sys.argv[1], Path(sys.argv[2])
    {"metrics": check_metrics, "calibration": check_calibration, "paired": check_paired}[mode](folder)
    print("\n".join(differences[:40]) or "all figures agree")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
