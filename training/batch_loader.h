#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "training/augment.h"
#include "training/dataset.h"
#include "training/outlines.h"

namespace pulmo::training {

/// One rank's share of a global batch.
struct Batch {
  std::vector<std::int64_t> indices;         ///< N samples of the data set; may be empty
  std::vector<float> pixels;                 ///< (N,C,H,W) or (N,C,D,H,W), value in [0, 1]
  std::vector<std::int64_t> labels;          ///< N
  std::vector<std::uint64_t> dropout_seeds;  ///< N
  std::vector<float> outlines = {};          ///< (N,1,H,W), share of readers; empty where they are not asked for
};

struct LoaderOptions {
  AugmentOptions augmentation;
  std::uint64_t seed = 0;                    ///< of the run
  std::int64_t epoch = 0;                    ///< seeds augmentation and dropout
  std::size_t ahead = 4;                     ///< batches prepared before they are asked for
  const ReaderOutlines* outlines = nullptr;  ///< of the data set, turned and moved as its images; null: none
};

/// Prepares the batches of one epoch in a thread of its own, so that the step does not wait for reading. One consumer.
class BatchLoader {
 public:
  /// `shares` are the sample indices of each coming batch, in order. `cache` and its data set must outlive the loader;
  /// no one else may use the cache meanwhile.
  BatchLoader(ImageCache& cache, const Dataset& dataset, std::vector<std::vector<std::int64_t>> shares,
              const LoaderOptions& options);
  /// Stops the thread, whether or not everything was consumed.
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  /// The next batch; nothing after the last. Rethrows what reading threw.
  std::optional<Batch> next();
  /// Seconds that next() has waited so far.
  double waited_seconds() const { return waited_seconds_; }

 private:
  void work();
  Batch prepare(std::vector<std::int64_t> indices);
  /// Appends the outlines of one sample.
  void add_outlines(Batch& batch, std::int64_t index, Transform transform) const;

  ImageCache& cache_;
  const Dataset& dataset_;
  std::vector<std::vector<std::int64_t>> shares_;
  LoaderOptions options_;
  double waited_seconds_ = 0.0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> ready_;
  bool finished_ = false;
  bool stopping_ = false;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace pulmo::training
