"""Compares precision-recall curves and reliability bins with scikit-learn and NumPy: curves_twin.py FILE, where FILE is
JSON [{"y", "p", "curve", "bins"}, ...]. Exits with 1 and says what differs."""
import json
import sys

import numpy as np
from sklearn import metrics as sk

problems = []
with open(sys.argv[1]) as file:
    cases = json.load(file)
assert cases
for number, case in enumerate(cases):
    y, p = np.array(case["y"]), np.array(case["p"])
    curve = np.array(case["curve"])
    area = np.sum(np.diff(curve[:, 0]) * curve[1:, 1])
    if abs(area - sk.average_precision_score(y, p)) > 1e-12:
        problems.append(f"{number}: area {area}")
    precision, recall, _ = sk.precision_recall_curve(y, p)
    for r, q in zip(recall[:-1], precision[:-1]):
        if np.abs(curve - (r, q)).max(1).min() > 1e-12:
            problems.append(f"{number}: no point at recall {r}, precision {q}")
    place = np.minimum((p * 10).astype(int), 9)
    bins = [(p[place == k].mean(), y[place == k].mean(), (place == k).mean()) for k in range(10) if (place == k).any()]
    if np.shape(bins) != np.shape(case["bins"]) or np.abs(np.array(bins) - case["bins"]).max() > 1e-12:
        problems.append(f"{number}: bins {case['bins']}, expected {bins}")
print("\n".join(problems[:20]) or "all agree")
sys.exit(1 if problems else 0)
