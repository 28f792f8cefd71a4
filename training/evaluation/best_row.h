#pragma once

#include <optional>
#include <string>

#include "training/evaluation/comparison.h"

namespace pulmo::training {

/// ROC-AUC of a row's validation part by nodule or series, of folds their mean; NaN where it is not defined.
double validation_area(const ComparedRow& row);

/// The row of the largest validation_area(), the earlier of equal ones: the test parts have no say in it. Nothing where
/// no row has one.
std::optional<BestRow> best_row(const Comparison& comparison);

}  // namespace pulmo::training
