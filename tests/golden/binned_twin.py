"""Compares quantile bins and population stability indices with NumPy: binned_twin.py FILE, where FILE is JSON
[{"values", "bins", "edges", "counts", "live", "psi"}, ...]. Exits with 1 and says what differs."""
import json
import sys

import numpy as np

problems = []
with open(sys.argv[1]) as file:
    cases = json.load(file)
assert cases
for number, case in enumerate(cases):
    values = np.array(case["values"])
    edges = np.unique(np.quantile(values, np.arange(1, case["bins"]) / case["bins"], method="inverted_cdf"))
    if not np.array_equal(edges, case["edges"]):
        problems.append(f"{number}: edges {case['edges']}, expected {edges}")
        continue

    def shares(sample):
        counts = np.bincount(np.searchsorted(edges, sample, side="left"), minlength=len(edges) + 1)
        return counts, np.maximum(counts / counts.sum(), 1e-4)

    counts, p = shares(values)
    if not np.array_equal(counts, case["counts"]):
        problems.append(f"{number}: counts {case['counts']}, expected {counts}")
    _, q = shares(np.array(case["live"]))
    psi = np.sum((q - p) * np.log(q / p))
    if abs(psi - case["psi"]) > 1e-12:
        problems.append(f"{number}: index {case['psi']}, expected {psi}")
print("\n".join(problems[:20]) or "all agree")
sys.exit(1 if problems else 0)
