#pragma once

#include <vector>

#include "training/evaluation/chart.h"
#include "training/evaluation/prediction.h"

namespace pulmo::training {

/// (recall, precision) as the step function whose area is the average precision, from recall 0 on; empty without
/// positives.
std::vector<Point> precision_recall_curve(const std::vector<Prediction>& predictions, int positive);

/// One bin of p(positive) that holds something.
struct ReliabilityBin {
  double mean_probability = 0.0;
  double positive_share = 0.0;
  double share = 0.0;  ///< of all predictions
};
/// The bins of the expected calibration error (kCalibrationBins of equal width), the empty ones left out.
std::vector<ReliabilityBin> reliability_bins(const std::vector<Prediction>& predictions, int positive);

}  // namespace pulmo::training
