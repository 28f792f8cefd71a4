#pragma once

#include "core/model/network.h"
#include "training/communicator.h"
#include "training/dataset.h"
#include "training/weights.h"

namespace pulmo::training {

/// calibrate_norms() of the weights, which are the first of a run, on 64 images spread evenly over the training part
/// (all of a smaller one). Rank 0 does it for all, as another kind of processor would round otherwise. Collective.
/// Throws InvalidInput("shard") for a damaged image.
void calibrate_first_weights(Weights& weights, const NetworkOptions& options, const Dataset& train, bool pretrained,
                             const Communicator& communicator);

}  // namespace pulmo::training
