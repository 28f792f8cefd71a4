#include "training/classical_rows.h"

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "core/model/features.h"
#include "core/model/majority.h"
#include "core/support/log.h"
#include "training/sampler.h"

namespace pulmo::training {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<float> features_of(const Dataset& dataset, std::int64_t index) {
  const SampleShape& shape = dataset.shape();
  cv::Mat image(static_cast<int>(shape.height), static_cast<int>(shape.width), CV_16UC1);
  dataset.read_image(index, std::span(image.ptr<std::uint16_t>(), image.total()));
  return extract_features(image);
}

// Rows [mine) by several threads, each taking the next sample that nobody has.
std::vector<float> extract_range(const Dataset& dataset, const Range& mine, int threads) {
  const std::size_t width = feature_names().size();
  std::vector<float> rows(static_cast<std::size_t>(mine.size()) * width);
  std::atomic<std::int64_t> next{mine.begin};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&] {
    try {
      for (std::int64_t i = next++; i < mine.end; i = next++) {
        const std::vector<float> row = features_of(dataset, i);
        std::copy(row.begin(), row.end(), rows.begin() + (i - mine.begin) * static_cast<std::int64_t>(width));
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

// (N,F) of the training part, on rank 0.
cv::Mat gather_features(const PreparedData& data, int threads, const Communicator& communicator) {
  const Range mine = part_of(data.train.size(), communicator.size(), communicator.rank());
  std::vector<float> rows;
  communicator.together([&] { rows = extract_range(data.train, mine, threads); });
  const auto parts = communicator.gather(std::as_bytes(std::span(rows)));
  if (!communicator.is_root()) return {};
  cv::Mat all(static_cast<int>(data.train.size()), static_cast<int>(feature_names().size()), CV_32FC1);
  std::byte* target = reinterpret_cast<std::byte*>(all.data);
  for (const auto& part : parts) {
    if (!part.empty()) std::memcpy(target, part.data(), part.size());
    target += part.size();
  }
  return all;
}

}  // namespace

TrainedModel train_majority(const PreparedData& data, const Communicator& communicator) {
  TrainedModel model;
  model.row = "majority";
  if (communicator.is_root()) {
    model.module = majority_to_torchscript(data.train.class_counts(data.classes.names.size()));
  }
  return model;
}

TrainedModel train_svm_row(const PreparedData& data, const SvmOptions& options, int threads,
                           const Communicator& communicator) {
  const auto start = Clock::now();
  TrainedModel model;
  model.row = "svm";
  model.input = BundleInput::kFeatures;
  FeatureRows rows;
  rows.features = gather_features(data, threads, communicator);
  communicator.together([&] {
    if (!communicator.is_root()) return;
    rows.classes = data.classes.size();
    for (std::int64_t i = 0; i < data.train.size(); ++i) {
      rows.labels.push_back(data.train.label(i));
      rows.patients.push_back(data.train.patient(i));
    }
    const SvmModel svm = train_svm(rows, options);
    log_info("svm trained", {{"c", std::to_string(svm.c)},
                             {"gamma", std::to_string(svm.gamma)},
                             {"cross_validated_roc_auc", std::to_string(svm.validation_auc)}});
    model.module = svm_to_torchscript(svm);
  });
  model.seconds = seconds_since(start);
  return model;
}

}  // namespace pulmo::training
