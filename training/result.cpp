#include "training/result.h"

#include <nlohmann/json.hpp>

#include "core/model/bundle.h"
#include "core/model/predictor.h"
#include "core/support/atomic_file.h"
#include "core/support/bytes.h"
#include "core/support/error.h"
#include "training/crop.h"
#include "training/evaluation/calibration.h"
#include "training/reference.h"
#include "training/scoring.h"

namespace pulmo::training {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBefore = "equal";            // slice_weights of results of versions that did not tell them
constexpr const char* kCandidate = "candidate.pt";  // the model before it is calibrated; all ranks load it

BundleMetadata metadata_of(const TrainedModel& model, const PreparedData& data) {
  BundleMetadata metadata;
  metadata.row = model.row;
  metadata.version = "1";
  metadata.input = model.input;
  metadata.depth = model.depth;
  metadata.channels = data.manifest.shape.channels;
  metadata.class_names = data.classes.names;
  metadata.positive_class = data.manifest.positive_class;
  metadata.spec = data.manifest.spec;
  metadata.phantom = data.manifest.phantom;
  metadata.task = data.manifest.task;
  metadata.data_digest = data.digest;
  metadata.metrics_json = "{}";
  metadata.crop = crop_of(data.manifest);
  return metadata;
}

RunFacts facts_of(const TrainedModel& model, const PreparedData& data, const Judging& judging, int ranks) {
  RunFacts facts;
  facts.row = model.row;
  facts.task = data.manifest.task;
  facts.classes = data.classes;
  facts.phantom = data.manifest.phantom;
  facts.data_digest = data.digest;
  facts.fold = data.fold;
  facts.identity = model.identity;
  facts.best_epoch = model.best_epoch;
  facts.epochs = model.epochs;
  facts.seconds = model.seconds;
  facts.ranks = ranks;
  facts.precision = model.precision;
  facts.device = model.device;
  facts.slice_weights = judging.options.slice_weights;
  facts.bootstrap = {static_cast<int>(judging.options.bootstrap), 0.95, judging.seed};
  return facts;
}

void check_going_on(const Judging& judging) {
  if (judging.interrupted()) {
    throw Interrupted("stopped by a signal after training, before the results: run the same command again to go on");
  }
}

// Uncalibrated predictions of validation and test; on rank 0.
std::vector<SplitPredictions> score_splits(BundleInput input, const fs::path& bundle, const PreparedData& data,
                                           const Judging& judging, const Communicator& communicator) {
  const bool have_features = input == BundleInput::kFeatures && judging.features != nullptr;
  std::shared_ptr<const Predictor> predictor;
  std::optional<Bundle> on_features;
  communicator.together([&] {
    if (have_features) {
      on_features = load_bundle(bundle);
    } else {
      predictor = load_predictor(bundle, judging.threads, judging.device);
    }
  });
  std::vector<SplitPredictions> splits;
  for (const Split split : {Split::kValidation, Split::kTest}) {
    check_going_on(judging);
    const Dataset& part = data.split(split);
    splits.push_back({std::string(to_string(split)),
                      have_features ? score(*on_features, judging.features->of(part), part, communicator)
                                    : score(*predictor, part, communicator, judging.options.batch_size)});
  }
  return splits;
}

RowResult judge(RunFacts facts, std::vector<SplitPredictions> splits) {
  facts.temperature = fit_temperature(splits.front().samples);
  for (SplitPredictions& part : splits) part.samples = apply_temperature(std::move(part.samples), facts.temperature);
  facts.threshold = youden_threshold(splits.front().samples, facts.classes.positive);
  return {make_report(facts, splits), std::move(splits)};
}

void write_result(const RowResult& result, const std::vector<InputStatistics>& inputs, const TrainedModel& model,
                  BundleMetadata metadata, const fs::path& folder) {
  const RunFacts& facts = result.report.facts;
  metadata.temperature = facts.temperature;
  metadata.threshold = facts.threshold;
  metadata.metrics_json = to_json(result.report);
  metadata.reference = make_reference(inputs, result.predictions.front().samples, facts.classes.positive);
  write_predictions(folder / "predictions.csv", facts.classes, result.predictions);
  save_bundle(folder / "bundle.pt", *model.module, metadata);
  write_file_atomically(folder / "metrics.json", metadata.metrics_json);  // last: it says that all is there
  fs::remove(folder / kCandidate);
}

RunFacts facts_from(const nlohmann::json& json, const PreparedData& data) {
  RunFacts facts;
  facts.row = json.at("row");
  facts.task = json.at("task");
  facts.classes = data.classes;
  facts.threshold = json.at("threshold");
  facts.temperature = json.at("temperature");
  facts.phantom = json.at("phantom");
  facts.data_digest = json.at("data_digest");
  facts.fold = data.fold;
  facts.identity = json.at("identity");
  facts.best_epoch = json.at("best_epoch");
  facts.epochs = json.at("epochs");
  facts.seconds = json.at("seconds");
  facts.ranks = json.at("ranks");
  facts.precision = json.value("precision", "");  // results of versions that did not tell it
  facts.device = json.value("device", "");
  const auto& bootstrap = json.at("bootstrap");
  facts.bootstrap = {bootstrap.at("resamples"), bootstrap.at("level"), bootstrap.at("seed")};
  return facts;
}

}  // namespace

RowResult finish_model(const TrainedModel& model, const PreparedData& data, const fs::path& folder,
                       const Judging& judging, const Communicator& communicator) {
  const BundleMetadata metadata = metadata_of(model, data);
  communicator.together([&] {
    if (communicator.is_root()) save_bundle(folder / kCandidate, *model.module, metadata);
  });
  std::vector<SplitPredictions> splits = score_splits(model.input, folder / kCandidate, data, judging, communicator);
  const auto inputs = measure_inputs(data.validation, metadata.spec.mask, communicator);
  RowResult result;
  communicator.together([&] {
    if (!communicator.is_root()) return;
    result = judge(facts_of(model, data, judging, communicator.size()), std::move(splits));
    write_result(result, inputs, model, metadata, folder);
  });
  return result;
}

std::optional<RowResult> read_result(const fs::path& folder, const PreparedData& data, const std::string& identity,
                                     const EvaluationOptions& options) {
  if (!fs::exists(folder / "metrics.json") || !fs::exists(folder / "bundle.pt")) return std::nullopt;
  const auto json = nlohmann::json::parse(read_text_file(folder / "metrics.json"), nullptr, false);
  if (!json.is_object() || json.value("identity", "") != identity) return std::nullopt;
  if (json.at("bootstrap").at("resamples") != options.bootstrap) return std::nullopt;
  if (json.value("slice_weights", kBefore) != to_string(options.slice_weights)) return std::nullopt;
  RunFacts facts = facts_from(json, data);
  facts.slice_weights = options.slice_weights;
  auto predictions = read_predictions(folder / "predictions.csv", data.classes);
  RunReport report = make_report(facts, predictions);
  return RowResult{std::move(report), std::move(predictions)};
}

}  // namespace pulmo::training
