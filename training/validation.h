#pragma once

#include <functional>
#include <optional>

#include "training/step.h"

namespace pulmo::training {

/// How good the current weights are on a data set.
struct Validation {
  /// Of outlines against the readers'.
  struct Outlines {
    double loss = 0.0;  ///< mean of outline_losses()
    /// Mean over the slices in which half of the nodule's readers outlined any pixel: 2 |A and B| / (|A| + |B|) of
    /// those pixels and the ones with p >= 1/2; NaN where there is no such slice.
    double dice = 0.0;
  };
  double loss = 0.0;      ///< mean cross-entropy, unweighted
  double accuracy = 0.0;  ///< of the likeliest class
  double roc_auc = 0.0;   ///< of p(positive), sample level; NaN when a class is missing
  std::optional<Outlines> outlines = {};
};

/// What validate() works on; all must outlive the call.
struct ValidationInput {
  Weights& weights;
  ImageCache& cache;
  const Dataset& dataset;
  const Communicator& communicator;
  std::int64_t batch_size = 64;  ///< of one rank
  int positive = 1;
  const ReaderOutlines* outlines = nullptr;  ///< of the data set, for a network that learns them; null: none
};

/// Evaluates each sample exactly once, spread over the ranks, in the precision of training. Collective. `interrupted`
/// is asked before every batch, on all ranks equally often, and must answer the same on each; nothing is returned
/// when it says true.
std::optional<Validation> validate(const ValidationInput& input, const std::function<bool()>& interrupted);

}  // namespace pulmo::training
