#pragma once

#include <vector>

#include "core/image/input_statistics.h"
#include "core/model/reference.h"
#include "training/communicator.h"
#include "training/dataset.h"
#include "training/evaluation/prediction.h"

namespace pulmo::training {

/// The statistics of every sample, each read once by one of the ranks: on rank 0 in data set order, elsewhere nothing.
/// Collective. Throws as Dataset::read_image().
std::vector<InputStatistics> measure_inputs(const Dataset& dataset, LungMasking mask, const Communicator& communicator);

/// What a server compares its slices with: deciles of the inputs and of p(positive). The two are of the same samples,
/// at least one.
ReferenceStatistics make_reference(const std::vector<InputStatistics>& inputs,
                                   const std::vector<Prediction>& calibrated, int positive);

}  // namespace pulmo::training
