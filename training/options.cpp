#include "training/options.h"

#include <array>
#include <limits>
#include <map>
#include <utility>

#include "core/support/digest.h"
#include "core/support/error.h"
#include "training/options_visitor.h"

namespace pulmo::training {
namespace {

constexpr std::int64_t kMany = 1'000'000'000;

const std::vector<std::pair<std::string, Precision>> kPrecisions = {
    {"auto", Precision::kAuto}, {"fp32", Precision::kFp32}, {"bf16", Precision::kBf16}, {"fp64", Precision::kFp64}};
const std::vector<std::pair<std::string, ClassWeights>> kClassWeights = {{"none", ClassWeights::kNone},
                                                                         {"balanced", ClassWeights::kBalanced}};
const std::vector<std::pair<std::string, ScheduleKind>> kSchedules = {{"constant", ScheduleKind::kConstant},
                                                                      {"cosine", ScheduleKind::kCosine}};

const std::vector<std::pair<std::string, ExchangeType>> kExchangeTypes = {{"fp32", ExchangeType::kFp32},
                                                                          {"bf16", ExchangeType::kBf16}};
const std::vector<std::pair<std::string, ExchangeChoice>> kExchangeChoices = {
    {"auto", ExchangeChoice::kAuto}, {"on", ExchangeChoice::kOn}, {"off", ExchangeChoice::kOff}};

const Choices<SliceWeights> kSliceWeights = {{"equal", SliceWeights::kEqual}, {"sphere", SliceWeights::kSphere}};
const std::vector<std::pair<std::string, DeviceChoice>> kDevices = {
    {"auto", DeviceChoice::kAuto}, {"cpu", DeviceChoice::kCpu}, {"cuda", DeviceChoice::kCuda}};

// Each section is described once; a visitor either reads it from YAML or writes it there.
template <typename Visitor>
void visit(Visitor& v, TrainingOptions& o) {
  v.integer("epochs", o.epochs, 1, kMany);
  v.integer("batch_size", o.batch_size, 1, 1'000'000);
  v.integer("accumulate", o.accumulate, 1, 100'000);
  v.seed("seed", o.seed);
  v.choice("precision", o.precision, kPrecisions);
  v.choice("class_weights", o.class_weights, kClassWeights);
  v.real("focal_gamma", o.focal_gamma, 0.0, 20.0);
  v.real("gradient_clip", o.gradient_clip, 0.0, 1e9);
  v.real("ema_decay", o.ema_decay, 0.0, 0.999999);
  v.integer("early_stopping_epochs", o.early_stopping_epochs, 0, kMany);
}

template <typename Visitor>
void visit(Visitor& v, ScheduleOptions& o) {
  v.choice("kind", o.kind, kSchedules);
  v.real("learning_rate", o.learning_rate, 1e-12, 1e3);
  v.real("warmup_epochs", o.warmup_epochs, 0.0, 1e6);
  v.real("final_fraction", o.final_fraction, 0.0, 1.0);
}

template <typename Visitor>
void visit(Visitor& v, AdamOptions& o) {
  v.real("beta1", o.beta1, 0.0, 0.999999);
  v.real("beta2", o.beta2, 0.0, 0.99999999);
  v.real("epsilon", o.epsilon, 1e-16, 1.0);
  v.real("weight_decay", o.weight_decay, 0.0, 10.0);
}

template <typename Visitor>
void visit(Visitor& v, AugmentOptions& o) {
  v.boolean("flips", o.flips);
  v.boolean("quarter_turns", o.quarter_turns);
  v.integer("shift_px", o.shift_px, 0, 1000);
  v.real("scale", o.scale, 0.0, 4.0);
  v.real("rotation", o.rotation, 0.0, 180.0);
  v.real("intensity", o.intensity, 0.0, 1.0);
  v.real("noise", o.noise, 0.0, 1.0);
}

template <typename Visitor>
void visit(Visitor& v, TransferOptions& o) {
  v.text("squeezenet", o.squeezenet);
  v.text("resnet18", o.resnet18);
  v.text("densenet121", o.densenet121);
  v.text("resnet3d", o.resnet3d);
  v.integer("frozen_epochs", o.frozen_epochs, 0, kMany);
  v.real("backbone_rate", o.backbone_rate, 0.0, 1.0);
}

template <typename Visitor>
void visit(Visitor& v, ExchangeOptions& o) {
  v.choice("type", o.type, kExchangeTypes);
  v.choice("overlap", o.overlap, kExchangeChoices);
  v.choice("factors", o.factors, kExchangeChoices);
}

template <typename Visitor>
void visit(Visitor& v, ComputeOptions& o) {
  v.choice("device", o.device, kDevices);
  v.integer("threads", o.threads, 0, 4096);
  v.integer("cache_mib", o.cache_mib, 0, kMany);
  v.integer("prefetch_batches", o.prefetch_batches, 1, 1000);
}

template <typename Visitor>
void visit(Visitor& v, CheckpointOptions& o) {
  v.integer("every_epochs", o.every_epochs, 1, kMany);
  v.integer("every_steps", o.every_steps, 0, kMany);
  v.integer("keep", o.keep, 1, 1000);
}

template <typename Visitor>
void visit(Visitor& v, WatchOptions& o) {
  v.boolean("tensorboard", o.tensorboard);
  v.integer("every_steps", o.every_steps, 1, kMany);
  v.text("metrics_address", o.metrics_address);
  v.integer("metrics_port", o.metrics_port, 0, 65535);
  v.text("push_url", o.push_url);
  v.real("push_seconds", o.push_seconds, 0.1, 86400.0);
}

template <typename Visitor>
void visit(Visitor& v, EvaluationOptions& o) {
  v.integer("batch_size", o.batch_size, 1, 100'000);
  v.integer("bootstrap", o.bootstrap, 0, 1'000'000);
  v.boolean("verify_shards", o.verify_shards);
  v.choice("slice_weights", o.slice_weights, kSliceWeights);
}

template <typename Visitor>
void visit(Visitor& v, SvmOptions& o) {
  v.reals("c", o.c_grid);
  v.reals("gamma", o.gamma_grid);
  v.integer("folds", o.folds, 2, 100);
  v.integer("search_samples", o.search_samples, 10, kMany);
}

template <typename Visitor>
void visit(Visitor& v, ForestOptions& o) {
  v.integer("trees", o.trees, 1, 100'000);
  v.integers("depth", o.depth_grid, 1, 30);
  v.reals("feature_share", o.feature_share_grid);
  v.integer("min_samples", o.min_samples, 1, kMany);
  v.integer("folds", o.folds, 2, 100);
  v.integer("search_samples", o.search_samples, 10, kMany);
}

// What decides the trained weights, beside the data.
template <typename Visitor>
void visit_recipe(Visitor& v, FitOptions& o) {
  v.section("training", [&](auto& inner) { visit(inner, o.training); });
  v.section("schedule", [&](auto& inner) { visit(inner, o.schedule); });
  v.section("optimizer", [&](auto& inner) { visit(inner, o.adam); });
  v.section("augmentation", [&](auto& inner) { visit(inner, o.augmentation); });
}

template <typename Visitor>
void visit_running(Visitor& v, FitOptions& o, std::int64_t* faithfulness = nullptr) {
  v.section("transfer", [&](auto& inner) { visit(inner, o.transfer); });
  v.section("exchange", [&](auto& inner) { visit(inner, o.exchange); });
  v.section("compute", [&](auto& inner) { visit(inner, o.compute); });
  v.section("checkpoint", [&](auto& inner) { visit(inner, o.checkpoint); });
  v.section("evaluation", [&](auto& inner) {
    visit(inner, o.evaluation);
    if (faithfulness != nullptr) inner.integer("faithfulness", *faithfulness, 0, kMany);
  });
  v.section("watch", [&](auto& inner) { visit(inner, o.watch); });
}

template <typename Visitor>
void visit_model(Visitor& v, ModelOptions& o, bool named, bool of_run = true) {
  v.section("model", [&](auto& inner) {
    if (named) inner.text("name", o.name);
    inner.real("dropout", o.dropout, 0.0, 0.99);
    if (!of_run) return;
    inner.integer("stack_slices", o.stack_slices, 1, 1024);
    inner.real("outline_weight", o.outline_weight, 0.001, 1000.0);
  });
}

template <typename Visitor>
void visit(Visitor& v, FitOptions& o) {
  visit_model(v, o.model, true);
  visit_recipe(v, o);
  visit_running(v, o);
}

template <typename Visitor>
void visit(Visitor& v, CompareOptions& o) {
  v.texts("rows", o.rows);
  v.text("reference", o.reference);
  v.integer("folds", o.folds, 0, 1000);
  v.real("fold_validation", o.fold_validation, 0.001, 0.9);
  v.section("svm", [&](auto& inner) { visit(inner, o.svm); });
  v.section("forest", [&](auto& inner) { visit(inner, o.forest); });
  visit_model(v, o.fit.model, false);
  visit_recipe(v, o.fit);
  visit_running(v, o.fit, &o.faithfulness);
  v.sections("row_settings", o.row_settings, o.fit, [](auto& inner, FitOptions& row) {
    visit_model(inner, row.model, false);
    visit_recipe(inner, row);
  });
}

template <typename Visitor>
void visit(Visitor& v, EvaluateOptions& o) {
  v.choice("device", o.device, kDevices);
  v.integer("threads", o.threads, 0, 4096);
  v.seed("seed", o.seed);
  visit(v, o.evaluation);
}

template <typename Options>
Options read_options(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  YamlReader root(load_yaml(file, overrides), file.empty() ? "--set" : file.string());
  OptionsReader visitor(root);
  Options options;
  visit(visitor, options);
  root.finish();
  return options;
}

template <typename Options>
std::string write_options(Options options) {
  OptionsWriter visitor;
  visit(visitor, options);
  return visitor.text();
}

}  // namespace

std::string to_string(Precision precision) {
  for (const auto& [name, value] : kPrecisions) {
    if (value == precision) return name;
  }
  return "?";
}

FitOptions read_fit_options(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  return read_options<FitOptions>(file, overrides);
}

CompareOptions read_compare_options(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  return read_options<CompareOptions>(file, overrides);
}

std::string to_yaml(const FitOptions& options) {
  return write_options(options);
}

std::string to_yaml(const CompareOptions& options) {
  return write_options(options);
}

EvaluateOptions read_evaluate_options(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  return read_options<EvaluateOptions>(file, overrides);
}

std::string to_yaml(const EvaluateOptions& options) {
  return write_options(options);
}

std::string classical_identity(const std::string& row, const CompareOptions& options, const std::string& data_digest) {
  CompareOptions copy = options;
  OptionsWriter visitor;
  visitor.text("row", row);
  visitor.seed("seed", copy.fit.training.seed);
  if (row == "svm") visitor.section(row.c_str(), [&](auto& inner) { visit(inner, copy.svm); });
  if (row == "forest") visitor.section(row.c_str(), [&](auto& inner) { visit(inner, copy.forest); });
  return sha256_hex(visitor.text() + "data: " + data_digest + "\n");
}

FitOptions options_of_row(const CompareOptions& options, const std::string& row) {
  const auto own = options.row_settings.find(row);
  FitOptions result = own == options.row_settings.end() ? options.fit : own->second;
  result.model.name = row;
  return result;
}

std::string weights_key(const std::string& row) {
  if (row == "slice_attention") return "squeezenet";
  if (row == "unet_densenet") return "densenet121";
  for (const char* key : {"squeezenet", "resnet18", "densenet121", "resnet3d"}) {
    if (row == key) return key;
  }
  return "";
}

std::string weights_file(const FitOptions& options) {
  const TransferOptions& transfer = options.transfer;
  const std::map<std::string, std::string> files = {{"squeezenet", transfer.squeezenet},
                                                    {"resnet18", transfer.resnet18},
                                                    {"densenet121", transfer.densenet121},
                                                    {"resnet3d", transfer.resnet3d}};
  const auto found = files.find(weights_key(options.model.name));
  return found == files.end() ? "" : found->second;
}

std::string named_weights(const FitOptions& options) {
  std::string file = weights_file(options);
  if (file == kResnet18Row) {
    throw InvalidInput("configuration", "transfer." + weights_key(options.model.name) + ": " + file +
                                            " is for resnet3d in compare, which trains that row before it: name a "
                                            "file of weights");
  }
  if (!file.empty()) return file;
  throw InvalidInput("configuration",
                     "the row " + options.model.name + " starts from pretrained weights: set transfer." +
                         weights_key(options.model.name) + " to a .safetensors or .pth file of them, or to none");
}

std::string run_identity(const FitOptions& options, const std::string& data_digest) {
  FitOptions copy = options;
  copy.training.accumulate = 1;  // a matter of memory: the result is the same up to rounding
  OptionsWriter visitor;
  visit_model(visitor, copy.model, true, false);  // how slices are stacked is part of the data's identity
  visit_recipe(visitor, copy);
  const std::string file = weights_file(options);
  if (file == kNoWeights) {
    visitor.text("weights", file);
  } else if (!file.empty()) {
    visitor.integer("frozen_epochs", copy.transfer.frozen_epochs, 0, kMany);
    visitor.real("backbone_rate", copy.transfer.backbone_rate, 0.0, 1.0);
    visitor.text("weights", sha256_file(named_weights(options)));
  }
  return sha256_hex(visitor.text() + "data: " + data_digest + "\n");
}

}  // namespace pulmo::training
