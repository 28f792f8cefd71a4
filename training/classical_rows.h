#pragma once

#include "training/communicator.h"
#include "training/options.h"
#include "training/prepared_data.h"
#include "training/result.h"

namespace pulmo::training {

/// The model of the class frequencies of the training part. Collective.
TrainedModel train_majority(const PreparedData& data, const Communicator& communicator);

/// Handcrafted features, extracted by all ranks, and a support vector machine trained on rank 0. Collective.
TrainedModel train_svm_row(const PreparedData& data, const SvmOptions& options, int threads,
                           const Communicator& communicator);

}  // namespace pulmo::training
