#pragma once

#include <cstddef>
#include <vector>

#include "training/evaluation/run_report.h"

namespace pulmo::training {

/// One row trained and judged on each fold of a cross-validation: what `pool_folds` needs of fold i.
struct FoldResult {
  RunReport report;              ///< with "validation" and "test"
  std::vector<Prediction> test;  ///< samples of the fold's test patients
};

struct PooledFolds {
  RunReport report;  ///< "test": every patient once, each sample decided at its own fold's threshold
  std::vector<Prediction> test;
};

/// Joins the test parts of all folds (at least one), in their order, and judges them together.
PooledFolds pool_folds(const std::vector<FoldResult>& folds);

/// The fold whose model is to stand for all: the one of the median validation ROC-AUC (sample level), the lower of two
/// in the middle, the earlier of equal ones. An undefined area counts as the lowest.
std::size_t median_fold(const std::vector<RunReport>& folds);

/// Mean and standard deviation (n - 1) over the folds that define the figure; NaN where none (fewer than two) do.
struct Spread {
  double mean;
  double deviation;
};
/// Of a test figure. Throws nothing.
Spread fold_spread(const std::vector<RunReport>& folds, Level level, Metric metric);

}  // namespace pulmo::training
