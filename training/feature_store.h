#pragma once

#include <cstdint>
#include <map>
#include <opencv2/core/mat.hpp>
#include <utility>
#include <vector>

#include "training/communicator.h"
#include "training/dataset.h"

namespace pulmo::training {

/// The handcrafted features of samples, each extracted once in a run however many rows and folds ask for them, and kept
/// in memory on every rank (F floats a sample). Collective throughout. The data sets must live as long as this object.
class FeatureStore {
 public:
  /// `threads` of one rank. `communicator` must outlive this object.
  FeatureStore(int threads, const Communicator& communicator);

  /// (N,F) float32 of the N samples in order, on every rank. Those not met before are extracted by all ranks together.
  /// Throws InvalidInput("shard") for a damaged image.
  cv::Mat of(const Dataset& dataset);

  /// Samples extracted so far.
  std::int64_t extracted() const { return static_cast<std::int64_t>(rows_.size()); }
  /// What extracting took for each of them, all ranks working together; 0 before the first.
  double seconds_per_sample() const;

 private:
  void extract(const Dataset& dataset, const std::vector<std::int64_t>& samples);

  int threads_;
  const Communicator& communicator_;
  std::map<SampleId, std::size_t> rows_;
  std::vector<float> values_;  ///< (extracted(), F)
  double seconds_ = 0.0;
};

}  // namespace pulmo::training
