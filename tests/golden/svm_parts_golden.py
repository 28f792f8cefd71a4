"""Prints Platt's slope and offset and the ROC-AUC of the `decision label` lines of a file, by scikit-learn."""
import sys

import numpy as np
from sklearn.calibration import _sigmoid_calibration
from sklearn.metrics import roc_auc_score

rows = np.loadtxt(sys.argv[1])
slope, offset = _sigmoid_calibration(rows[:, 0], rows[:, 1])
print(f"{slope:.12g} {offset:.12g} {roc_auc_score(rows[:, 1], rows[:, 0]):.12g}")
