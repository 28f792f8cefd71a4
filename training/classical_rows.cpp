#include "training/classical_rows.h"

#include <torch/script.h>

#include <chrono>

#include "core/model/forest.h"
#include "core/model/majority.h"
#include "core/model/svm.h"
#include "core/support/elapsed.h"
#include "core/support/error.h"
#include "core/support/log.h"

namespace pulmo::training {
ClassicalRows::ClassicalRows(const CompareOptions& options, const PreparedData& data, int threads, FeatureStore& store,
                             const Communicator& communicator)
    : options_(options), data_(data), threads_(threads), store_(store), communicator_(communicator) {}

const std::vector<std::string>& ClassicalRows::names() {
  static const std::vector<std::string> names = {"majority", "svm", "forest"};
  return names;
}

TrainedModel ClassicalRows::train(const std::string& row) {
  if (row == "svm") return train_on_features(row, [this](const FeatureRows& rows) { return fit_svm(rows); });
  if (row == "forest") return train_on_features(row, [this](const FeatureRows& rows) { return fit_forest(rows); });
  TrainedModel model;
  model.row = row;
  model.depth = data_.manifest.shape.depth;
  if (communicator_.is_root()) {
    model.module = majority_to_torchscript(data_.train.class_counts(data_.classes.names.size()));
  }
  return model;
}

void ClassicalRows::check(const PreparedData& data) {
  if (data.manifest.shape.depth == 0) return;
  throw InvalidInput("training_data",
                     data.directory.string() + ": holds volumes; the features of svm and forest are those of slices");
}

FeatureRows ClassicalRows::features() {
  check(data_);
  FeatureRows rows;
  rows.features = store_.of(data_.train);
  rows.classes = data_.classes.size();
  for (std::int64_t i = 0; i < data_.train.size(); ++i) {
    rows.labels.push_back(data_.train.label(i));
    rows.patients.push_back(data_.train.patient(i));
  }
  return rows;
}

TrainedModel ClassicalRows::train_on_features(const std::string& row,
                                              const std::function<torch::jit::Module(const FeatureRows&)>& fit) {
  TrainedModel model;
  model.row = row;
  model.input = BundleInput::kFeatures;
  const FeatureRows rows = features();
  const auto start = std::chrono::steady_clock::now();
  communicator_.together([&] {
    if (communicator_.is_root()) model.module = fit(rows);
  });
  // Every row pays for the features that it learns from, whoever asked for them first.
  model.seconds = seconds_since(start) + store_.seconds_per_sample() * static_cast<double>(data_.train.size());
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
