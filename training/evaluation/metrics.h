#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "training/evaluation/prediction.h"

namespace pulmo::training {

/// Definitions in docs/train.md, "Metrics". A value that the data cannot define is NaN: JSON null.
enum class Metric {
  kAccuracy,
  kPrecision,
  kRecall,
  kSpecificity,
  kF1,
  kRocAuc,
  kPrAuc,
  kBrier,
  kEce,
  kSpecificityAt90
};
inline constexpr std::size_t kMetricCount = 10;
/// The names in metrics.json, in the order of Metric.
inline constexpr std::array<std::string_view, kMetricCount> kMetricNames = {
    "accuracy", "precision", "recall", "specificity", "f1", "roc_auc", "pr_auc", "brier", "ece", "specificity_at_90"};
/// Of kSpecificityAt90: rows are compared where they find as many of the positives.
inline constexpr double kEqualRecall = 0.9;
/// Equal-width bins of p(positive) in the expected calibration error.
inline constexpr int kCalibrationBins = 10;

struct Metrics {
  std::array<double, kMetricCount> values{};
  std::vector<std::vector<double>> confusion;  ///< K x K: row = truth, column = decision; weighted counts

  double operator[](Metric metric) const { return values[static_cast<std::size_t>(metric)]; }
};

/// The decision at an operating threshold: the positive class where p(positive) >= threshold, else the likeliest of
/// the other classes (the lowest index on a tie).
int decide(std::span<const double> probabilities, int positive, double threshold);

/// Predictions prepared for many evaluations under different weights (a bootstrap): sorted once. Immutable and
/// thread-safe.
class ScoredSet {
 public:
  /// `thresholds` is indexed by Prediction::fold.
  ScoredSet(const std::vector<Prediction>& predictions, const ClassList& classes,
            const std::vector<double>& thresholds);

  /// `weights` counts each prediction that many times; empty counts each once.
  Metrics evaluate(std::span<const double> weights = {}) const;
  /// Only the area under the ROC curve; NaN when a class has no weight.
  double roc_auc(std::span<const double> weights = {}) const;
  /// Specificity at the highest threshold that reaches a recall of kEqualRecall; NaN when a class has no weight.
  double specificity_at_equal_recall(std::span<const double> weights = {}) const;
  std::size_t size() const { return rows_.size(); }

 private:
  struct Row {
    double score;  ///< p(positive)
    bool positive;
    int label;
    int decision;
    std::size_t index;  ///< into the predictions and the weights
  };
  struct Ranking {
    double roc_auc;
    double pr_auc;
  };

  Ranking rank(std::span<const double> weights) const;
  void calibrate(std::span<const double> weights, Metrics& metrics) const;

  std::vector<Row> rows_;  ///< by falling score
  int classes_;
  int positive_;
};

/// One operating point of the ROC curve.
struct RocPoint {
  double false_positive_rate;
  double true_positive_rate;
};
/// From (0,0) to (1,1), one point for each distinct score; empty when a class is missing.
std::vector<RocPoint> roc_curve(const std::vector<Prediction>& predictions, int positive);

}  // namespace pulmo::training
