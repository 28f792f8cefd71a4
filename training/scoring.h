#pragma once

#include <opencv2/core/mat.hpp>
#include <vector>

#include "core/model/bundle.h"
#include "core/model/predictor.h"
#include "training/communicator.h"
#include "training/dataset.h"
#include "training/evaluation/prediction.h"
#include "training/sampler.h"

namespace pulmo::training {

/// The samples [range.begin, range.end) in so many channels, a multiple of the data's: its own, repeated. Throws
/// InvalidInput("shard") for a damaged one.
ImageBatch read_batch(const Dataset& dataset, const Range& range, std::int64_t channels);

/// Scores every sample of a data set exactly once, spread over the ranks: on rank 0 the predictions in data set order,
/// elsewhere nothing. Collective.
std::vector<Prediction> score(const Predictor& predictor, const Dataset& dataset, const Communicator& communicator,
                              std::int64_t batch_size);

/// The same of a row on handcrafted features, which are there already: (N,F) float32, one row a sample.
std::vector<Prediction> score(const Bundle& bundle, const cv::Mat& features, const Dataset& dataset,
                              const Communicator& communicator);

}  // namespace pulmo::training
