"""Repeats a trained SVM with scikit-learn: svm_twin.py FOLDER FEATURES.

The folder holds train.f32, labels.i32, test.f32, decisions.f64 (of the test rows), logits.f32 and
fit.f64 (C, gamma, Platt slope and offset). Exits with 1 when something differs.
"""
import sys
from pathlib import Path

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

TOLERANCE = 1e-3


def read(folder, name, dtype):
    return np.fromfile(folder / name, dtype)


def main():
    folder, width = Path(sys.argv[1]), int(sys.argv[2])
    train = read(folder, "train.f32", np.float32).reshape(-1, width).astype(float)
    test = read(folder, "test.f32", np.float32).reshape(-1, width).astype(float)
    labels = read(folder, "labels.i32", np.int32)
    decisions = read(folder, "decisions.f64", np.float64)
    c, gamma, slope, offset = read(folder, "fit.f64", np.float64)
    logits = read(folder, "logits.f32", np.float32).reshape(-1, 2).astype(float)

    scaler = StandardScaler().fit(train)
    machine = SVC(C=c, gamma=gamma, kernel="rbf", tol=1e-6).fit(scaler.transform(train), labels)
    expected = machine.decision_function(scaler.transform(test))
    differences = {"decision value": np.abs(expected - decisions).max()}

    # softmax of the module's logits is the Platt probability of the decision value
    probability = 1.0 / (1.0 + np.exp(slope * expected + offset))
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    differences["probability"] = np.abs(shifted[:, 1] / shifted.sum(axis=1) - probability).max()
    if slope >= 0.0:
        sys.exit("the Platt slope must be negative: higher decisions are more probable")

    for name, value in differences.items():
        print(f"largest difference in {name}: {value:.2e}")
    sys.exit(any(value > TOLERANCE for value in differences.values()))


if __name__ == "__main__":
    main()
