#include "training/classical_rows.h"

#include <torch/script.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>

#include "core/model/features.h"
#include "core/model/forest.h"
#include "core/model/majority.h"
#include "core/model/svm.h"
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

ClassicalRows::ClassicalRows(const CompareOptions& options, const PreparedData& data, int threads,
                             const Communicator& communicator)
    : options_(options), data_(data), threads_(threads), communicator_(communicator) {}

const std::vector<std::string>& ClassicalRows::names() {
  static const std::vector<std::string> names = {"majority", "svm", "forest"};
  return names;
}

TrainedModel ClassicalRows::train(const std::string& row) {
  if (row == "svm") return train_on_features(row, [this](const FeatureRows& rows) { return fit_svm(rows); });
  if (row == "forest") return train_on_features(row, [this](const FeatureRows& rows) { return fit_forest(rows); });
  TrainedModel model;
  model.row = row;
  if (communicator_.is_root()) {
    model.module = majority_to_torchscript(data_.train.class_counts(data_.classes.names.size()));
  }
  return model;
}

const FeatureRows& ClassicalRows::features() {
  if (features_) return *features_;
  FeatureRows& rows = features_.emplace();
  rows.features = gather_features(data_, threads_, communicator_);
  rows.classes = data_.classes.size();
  for (std::int64_t i = 0; communicator_.is_root() && i < data_.train.size(); ++i) {
    rows.labels.push_back(data_.train.label(i));
    rows.patients.push_back(data_.train.patient(i));
  }
  return rows;
}

TrainedModel ClassicalRows::train_on_features(const std::string& row,
                                              const std::function<torch::jit::Module(const FeatureRows&)>& fit) {
  const auto start = Clock::now();
  TrainedModel model;
  model.row = row;
  model.input = BundleInput::kFeatures;
  const FeatureRows& rows = features();
  communicator_.together([&] {
    if (communicator_.is_root()) model.module = fit(rows);
  });
  model.seconds = seconds_since(start);
  return model;
}

torch::jit::Module ClassicalRows::fit_svm(const FeatureRows& rows) const {
  SvmOptions options = options_.svm;
  options.seed = options_.fit.training.seed;
  options.threads = all_threads();
  const SvmModel svm = train_svm(rows, options);
  log_info("svm trained", {{"c", std::to_string(svm.c)},
                           {"gamma", std::to_string(svm.gamma)},
                           {"cross_validated_roc_auc", std::to_string(svm.validation_auc)}});
  return svm_to_torchscript(svm);
}

torch::jit::Module ClassicalRows::fit_forest(const FeatureRows& rows) const {
  ForestOptions options = options_.forest;
  options.seed = options_.fit.training.seed;
  options.threads = all_threads();
  const ForestModel forest = train_forest(rows, options);
  log_info("forest trained", {{"depth", std::to_string(forest.depth)},
                              {"feature_share", std::to_string(forest.feature_share)},
                              {"cross_validated_roc_auc", std::to_string(forest.validation_auc)}});
  return forest_to_torchscript(forest);
}

// The other ranks of this machine wait meanwhile: rank 0 may use their processors.
int ClassicalRows::all_threads() const {
  return threads_ * communicator_.local_size();
}

}  // namespace pulmo::training
