#include "training/evaluate.h"

#include <nlohmann/json.hpp>

#include "core/model/predictor.h"
#include "core/support/atomic_file.h"
#include "core/support/error.h"
#include "core/support/log.h"
#include "training/crop.h"
#include "training/fit.h"
#include "training/folds.h"
#include "training/scoring.h"

namespace pulmo::training {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text.append(text.empty() ? "" : ", ").append(name);
  return text;
}

RunFacts facts_of(const EvaluateJob& job, const Predictor& predictor, const PreparedData& data, int ranks) {
  const BundleMetadata& metadata = predictor.metadata();
  RunFacts facts;
  facts.row = metadata.row;
  facts.task = data.manifest.task;
  facts.classes = data.classes;
  facts.threshold = metadata.threshold;
  facts.temperature = metadata.temperature;
  facts.phantom = data.manifest.phantom || metadata.phantom;
  facts.data_digest = data.digest;
  facts.fold = data.fold;
  facts.bundle_sha256 = predictor.sha256();
  facts.ranks = ranks;
  facts.slice_weights = job.options.evaluation.slice_weights;
  facts.bootstrap = {static_cast<int>(job.options.evaluation.bootstrap), 0.95, job.options.seed};
  return facts;
}

}  // namespace

void check_fits(const std::filesystem::path& bundle, const BundleMetadata& metadata, const PreparedData& data,
                const std::vector<Split>& splits) {
  const auto refuse = [&](const std::string& problem) {
    throw InvalidInput("bundle", bundle.string() + ": " + problem);
  };
  if (metadata.class_names != data.classes.names) {
    refuse("its classes are " + joined(metadata.class_names) + ", those of the data are " + joined(data.classes.names));
  }
  if (metadata.positive_class != data.manifest.positive_class) {
    refuse("its positive class is " + metadata.positive_class + ", that of the data is " +
           data.manifest.positive_class);
  }
  if (metadata.spec != data.manifest.spec) {
    refuse("it was trained with another preprocessing (" + spec_to_json(metadata.spec) + ") than the data has (" +
           spec_to_json(data.manifest.spec) + "): prepare the data with the bundle's numbers");
  }
  if (data.manifest.shape.channels != 1 && data.manifest.shape.channels != metadata.channels) {
    refuse("it takes " + std::to_string(metadata.channels) + " channels, the data holds " +
           std::to_string(data.manifest.shape.channels));
  }
  const auto crop = crop_of(data.manifest);
  if (crop && metadata.crop && *crop != *metadata.crop) {
    refuse("it was trained on " + text_of(*metadata.crop) + " around a nodule, the data holds " + text_of(*crop) +
           ": prepare the data with the bundle's nodule.extent_mm and nodule.voxel_mm");
  }
  if (data.manifest.shape.depth != 0 && data.manifest.shape.depth != metadata.depth) {
    refuse("it takes " + (metadata.depth == 0 ? "slices" : "volumes of " + std::to_string(metadata.depth) + " slices") +
           ", the data holds volumes of " + std::to_string(data.manifest.shape.depth));
  }
  for (const Split split : splits) {
    if (data.split(split).size() == 0)
      refuse("the data has no " + std::string(to_string(split)) + " samples to judge by");
  }
}

std::optional<PreparedData> as_dealt_to(const BundleMetadata& metadata, const PreparedData& data) {
  if (metadata.data_digest != data.digest || !data.fold.empty()) return std::nullopt;
  const auto metrics = nlohmann::json::parse(metadata.metrics_json, nullptr, false);
  if (!metrics.is_object() || !metrics.contains("fold") || !metrics["fold"].is_string()) return std::nullopt;
  const auto fold = fold_named(metrics["fold"].get<std::string>());
  if (!fold) return std::nullopt;
  PreparedData dealt = fold_of(data, fold->options, fold->index);
  log_info("the bundle is of one fold of this data: it is judged on that fold's parts", {{"fold", dealt.fold}});
  return dealt;
}

RowResult evaluate(const EvaluateJob& job, const PreparedData& prepared, const Communicator& communicator) {
  ComputeOptions compute;
  compute.threads = job.options.threads;
  const int threads = set_up_compute(compute, communicator);
  const Device device = set_up_device(job.options.device, communicator);
  std::shared_ptr<const Predictor> predictor;
  std::optional<PreparedData> dealt;
  communicator.together([&] {
    predictor = load_predictor(job.bundle, threads, device);
    dealt = as_dealt_to(predictor->metadata(), prepared);
  });
  const PreparedData& data = dealt ? *dealt : prepared;
  communicator.together([&] {
    check_slice_weights(job.options.evaluation.slice_weights, data);
    check_fits(job.bundle, predictor->metadata(), data, job.splits);
    if (communicator.is_root() && !job.output.empty()) make_writable_directory(job.output);
  });
  std::vector<SplitPredictions> splits;
  for (const Split split : job.splits) {
    splits.push_back({std::string(to_string(split)),
                      score(*predictor, data.split(split), communicator, job.options.evaluation.batch_size)});
  }
  RowResult result;
  communicator.together([&] {
    if (!communicator.is_root()) return;
    RunReport report = make_report(facts_of(job, *predictor, data, communicator.size()), splits);
    result = {std::move(report), std::move(splits)};
    if (job.output.empty()) return;
    write_predictions(job.output / "predictions.csv", data.classes, result.predictions);
    write_file_atomically(job.output / "metrics.json", to_json(result.report));
  });
  return result;
}

}  // namespace pulmo::training
