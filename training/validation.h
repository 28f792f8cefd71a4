#pragma once

#include <functional>
#include <optional>

#include "training/step.h"

namespace pulmo::training {

/// How good the current weights are on a data set.
struct Validation {
  double loss = 0.0;      ///< mean cross-entropy, unweighted
  double accuracy = 0.0;  ///< of the likeliest class
  double roc_auc = 0.0;   ///< of p(positive), sample level; NaN when a class is missing
};

/// What validate() works on; all must outlive the call.
struct ValidationInput {
  Weights& weights;
  ImageCache& cache;
  const Dataset& dataset;
  const Communicator& communicator;
  std::int64_t batch_size = 64;  ///< of one rank
  int positive = 1;
};

/// Evaluates each sample exactly once, spread over the ranks, in the precision of training. Collective. `interrupted`
/// is asked before every batch, on all ranks equally often, and must answer the same on each; nothing is returned
/// when it says true.
std::optional<Validation> validate(const ValidationInput& input, const std::function<bool()>& interrupted);

}  // namespace pulmo::training
