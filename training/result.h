#pragma once

#include <torch/script.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/model/bundle_metadata.h"
#include "core/model/device.h"
#include "training/communicator.h"
#include "training/evaluation/run_report.h"
#include "training/feature_store.h"
#include "training/options.h"
#include "training/prepared_data.h"

namespace pulmo::training {

/// A trained model on its way to a bundle.
struct TrainedModel {
  std::optional<torch::jit::Module> module;  ///< rank 0
  std::string row;
  BundleInput input = BundleInput::kImage;
  std::int64_t depth = 0;  ///< D of a row of volumes
  std::string identity;
  std::int64_t best_epoch = 0;  ///< from 1; 0 where there are none
  std::int64_t epochs = 0;
  double seconds = 0.0;               ///< of training
  std::string precision{}, device{};  ///< of a network's training: "bf16", "cpu"
};

/// How a model is judged.
struct Judging {
  EvaluationOptions options;
  std::uint64_t seed = 0;  ///< of the bootstrap
  int threads = 1;         ///< of one rank
  std::function<bool()> interrupted;
  Device device;                     ///< of one rank
  FeatureStore* features = nullptr;  ///< of rows on handcrafted features; null: they are extracted anew
};

/// What a row came to; empty on the ranks other than 0.
struct RowResult {
  RunReport report;
  std::vector<SplitPredictions> predictions;
};

/// Calibrates on validation (temperature, then operating threshold), scores validation and test once each, and writes
/// bundle.pt, metrics.json and predictions.csv into `folder`. Collective. Throws IoError, Interrupted.
RowResult finish_model(const TrainedModel& model, const PreparedData& data, const std::filesystem::path& folder,
                       const Judging& judging, const Communicator& communicator);

/// The result that finish_model() left in `folder`, recomputed from its predictions.csv. Nothing when there is none, or
/// it is of another identity, another number of resamples or other slice weights. Rank 0 only. Throws as
/// read_predictions().
std::optional<RowResult> read_result(const std::filesystem::path& folder, const PreparedData& data,
                                     const std::string& identity, const EvaluationOptions& options);

}  // namespace pulmo::training
