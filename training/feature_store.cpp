#include "training/feature_store.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

#include "core/model/features.h"
#include "core/support/elapsed.h"
#include "core/support/log.h"
#include "training/sampler.h"

namespace pulmo::training {
namespace {

std::vector<float> features_of(const Dataset& dataset, std::int64_t index) {
  const SampleShape& shape = dataset.shape();
  cv::Mat image(static_cast<int>(shape.height), static_cast<int>(shape.width), CV_16UC1);
  dataset.read_image(index, std::span(image.ptr<std::uint16_t>(), image.total()));
  return extract_features(image);
}

// Of these samples, by several threads, each taking the next sample that nobody has.
std::vector<float> extract_all(const Dataset& dataset, std::span<const std::int64_t> samples, int threads) {
  const std::size_t width = feature_names().size();
  std::vector<float> rows(samples.size() * width);
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&] {
    try {
      for (std::size_t i = next++; i < samples.size(); i = next++) {
        const std::vector<float> row = features_of(dataset, samples[i]);
        std::copy(row.begin(), row.end(), rows.begin() + static_cast<std::ptrdiff_t>(i * width));
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> team;
    for (int t = 1; t < threads; ++t) team.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
  return rows;
}

}  // namespace

FeatureStore::FeatureStore(int threads, const Communicator& communicator)
    : threads_(threads), communicator_(communicator) {}

cv::Mat FeatureStore::of(const Dataset& dataset) {
  std::vector<std::int64_t> missing;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    if (rows_.count(dataset.id(i)) == 0) missing.push_back(i);
  }
  if (!missing.empty()) extract(dataset, missing);
  const std::size_t width = feature_names().size();
  cv::Mat all(static_cast<int>(dataset.size()), static_cast<int>(width), CV_32FC1);
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const float* row = values_.data() + rows_.at(dataset.id(i)) * width;
    std::copy(row, row + width, all.ptr<float>(static_cast<int>(i)));
  }
  return all;
}

void FeatureStore::extract(const Dataset& dataset, const std::vector<std::int64_t>& samples) {
  const auto start = std::chrono::steady_clock::now();
  const Range mine = part_of(static_cast<std::int64_t>(samples.size()), communicator_.size(), communicator_.rank());
  std::vector<float> share;
  communicator_.together([&] {
    const auto first = static_cast<std::size_t>(mine.begin), count = static_cast<std::size_t>(mine.size());
    share = extract_all(dataset, std::span(samples).subspan(first, count), threads_);
  });
  const std::vector<std::byte> all = communicator_.all_gather(std::as_bytes(std::span(share)));
  const std::size_t known = values_.size();
  values_.resize(known + all.size() / sizeof(float));
  std::memcpy(values_.data() + known, all.data(), all.size());
  for (const std::int64_t sample : samples) rows_.emplace(dataset.id(sample), rows_.size());
  seconds_ += seconds_since(start);
  if (communicator_.is_root()) log_info("features extracted", {{"samples", std::to_string(samples.size())}});
}

double FeatureStore::seconds_per_sample() const {
  return rows_.empty() ? 0.0 : seconds_ / static_cast<double>(rows_.size());
}

}  // namespace pulmo::training
