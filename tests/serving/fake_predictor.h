#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/model/predictor.h"

namespace pulmo::serving::testing {

/// A model whose answers are known (K = 2: p(malignant) is the sample's first pixel / 65535) and whose runs the test
/// can hold back, count and make fail. Thread-safe.
class FakePredictor : public Predictor {
 public:
  explicit FakePredictor(int size_px = 4) {
    metadata_.row = "fake";
    metadata_.version = "7";
    metadata_.class_names = {"normal", "malignant"};
    metadata_.positive_class = "malignant";
    metadata_.task = "slice";
    metadata_.spec.size_px = size_px;
  }

  std::vector<double> predict(const ImageBatch& batch) const override {
    {
      std::unique_lock lock(mutex_);
      batch_sizes_.push_back(batch.count);
      changed_.notify_all();
      changed_.wait(lock, [this] { return !held_; });
    }
    if (failing_) throw std::runtime_error("on purpose");
    std::vector<double> probabilities;
    const std::size_t stride = batch.pixels.size() / static_cast<std::size_t>(batch.count);
    for (std::size_t i = 0; i < batch.pixels.size(); i += stride) {
      const double p = batch.pixels[i] / 65535.0;
      probabilities.push_back(1.0 - p);
      probabilities.push_back(p);
    }
    if (short_answer_) probabilities.pop_back();
    return probabilities;
  }
  std::vector<cv::Mat> outlines(const ImageBatch& batch) const override {
    return std::vector<cv::Mat>(outline_.empty() ? 0 : static_cast<std::size_t>(batch.count), outline_);
  }
  const BundleMetadata& metadata() const override { return metadata_; }
  const std::string& sha256() const override { return sha256_; }
  void change_sha256(std::string sha256) { sha256_ = std::move(sha256); }

  BundleMetadata& change_metadata() { return metadata_; }
  /// p(nodule) of each pixel, for every picture.
  void outline(cv::Mat probabilities) { outline_ = std::move(probabilities); }
  void hold() { set_held(true); }
  void release() { set_held(false); }
  void fail() { failing_ = true; }
  void answer_short() { short_answer_ = true; }
  /// Waits until the model has been called `runs` times; the sizes of its batches so far.
  std::vector<std::int64_t> wait_for_runs(std::size_t runs) const {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return batch_sizes_.size() >= runs; });
    return batch_sizes_;
  }

 private:
  void set_held(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }

  BundleMetadata metadata_;
  std::string sha256_ = "0123abcd";
  cv::Mat outline_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable std::vector<std::int64_t> batch_sizes_;
  bool held_ = false;
  std::atomic<bool> failing_{false};
  std::atomic<bool> short_answer_{false};
};

}  // namespace pulmo::serving::testing
