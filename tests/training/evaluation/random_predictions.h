#pragma once

#include <cstdint>
#include <vector>

#include "training/evaluation/prediction.h"

namespace pulmo::training::testing {

struct RandomPredictions {
  int patients = 12;
  int groups = 2;   ///< of each patient
  int samples = 3;  ///< of each group
  int classes = 2;
  double skill = 1.0;   ///< 0: the scores know nothing of the labels
  double coarse = 0.0;  ///< scores rounded to multiples of this, so that ties occur; 0: not
  std::uint64_t seed = 1;
};

/// Predictions whose labels differ between the groups of one patient.
std::vector<Prediction> random_predictions(const RandomPredictions& options);

}  // namespace pulmo::training::testing
