#include "pipeline/plan/prepare_config.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/image/preprocess_yaml.h"
#include "core/support/yaml_reader.h"

namespace pulmo::pipeline {
namespace {

constexpr std::int64_t kMaxSeed = std::numeric_limits<std::int64_t>::max();

std::string name_of(MalignancyRule rule) {
  switch (rule) {
    case MalignancyRule::kMedianHigh: return "median_high";
    case MalignancyRule::kMean: return "mean";
    case MalignancyRule::kMedian: break;
  }
  return "median";
}

std::string name_of(SplitMode mode) {
  switch (mode) {
    case SplitMode::kNone: return "none";
    case SplitMode::kFile: return "file";
    case SplitMode::kStratified: break;
  }
  return "stratified";
}

int whole(YamlReader& reader, const std::string& key, int fallback, int low, int high) {
  return static_cast<int>(reader.integer(key, fallback, low, high));
}

LabelOptions read_labels(YamlReader reader, std::uint64_t seed) {
  LabelOptions labels;
  const std::string rule = reader.choice("malignancy", name_of(labels.rule), {"median", "median_high", "mean"});
  for (const auto candidate : {MalignancyRule::kMedian, MalignancyRule::kMedianHigh, MalignancyRule::kMean}) {
    if (name_of(candidate) == rule) labels.rule = candidate;
  }
  labels.min_readers = whole(reader, "min_readers", labels.min_readers, 1, 4);
  labels.benign_class = reader.boolean("benign_class", labels.benign_class);
  labels.margin_mm = reader.real("margin_mm", labels.margin_mm, 0.0, 1000.0);
  labels.min_nodule_px = whole(reader, "min_nodule_px", labels.min_nodule_px, 1, 100000);
  labels.normals_per_malignant = reader.real("normals_per_malignant", labels.normals_per_malignant, 0.0, 1000.0);
  labels.axial_bins = whole(reader, "axial_bins", labels.axial_bins, 1, 1000);
  labels.seed = seed;
  reader.finish();
  return labels;
}

SplitOptions read_split(YamlReader reader, std::uint64_t seed) {
  SplitOptions split;
  const std::string mode = reader.choice("mode", name_of(split.mode), {"stratified", "none", "file"});
  for (const auto candidate : {SplitMode::kStratified, SplitMode::kNone, SplitMode::kFile}) {
    if (name_of(candidate) == mode) split.mode = candidate;
  }
  split.test_fraction = reader.real("test_fraction", split.test_fraction, 0.0, 1.0);
  split.validation_fraction = reader.real("validation_fraction", split.validation_fraction, 0.0, 1.0);
  split.folds = whole(reader, "folds", split.folds, 0, 100);
  if (split.folds == 1) reader.refuse("folds", "0 (one split) or at least 2");
  split.fold = whole(reader, "fold", split.fold, 0, std::max(0, split.folds - 1));
  split.file = reader.text("file", split.file);
  if (split.mode == SplitMode::kFile && split.file.empty()) reader.refuse("file", "split.mode is file; name the file");
  split.by_scanner = reader.boolean("by_scanner", split.by_scanner);
  split.seed = seed;
  reader.finish();
  return split;
}

NoduleOptions read_nodule(YamlReader reader) {
  NoduleOptions nodule;
  nodule.dimensions = whole(reader, "dimensions", nodule.dimensions, 2, 3);
  nodule.extent_mm = reader.real("extent_mm", nodule.extent_mm, 1.0, 500.0);
  nodule.voxel_mm = reader.real("voxel_mm", nodule.voxel_mm, 0.1, 10.0);
  nodule.max_slices = whole(reader, "max_slices", nodule.max_slices, 0, 10000);
  if (nodule.extent_mm / nodule.voxel_mm < 8.0 || nodule.extent_mm / nodule.voxel_mm > 256.0) {
    reader.refuse("voxel_mm", "extent_mm / voxel_mm must be 8 to 256 voxels");
  }
  reader.finish();
  return nodule;
}

StoreOptions read_store(YamlReader reader) {
  StoreOptions store;
  store.masks = reader.boolean("masks", store.masks);
  store.shard_samples = whole(reader, "shard_samples", store.shard_samples, 1, 1'000'000);
  store.deflate = whole(reader, "deflate", store.deflate, 0, 9);
  reader.finish();
  return store;
}

YAML::Node to_yaml(const LabelOptions& labels) {
  YAML::Node node;
  node["malignancy"] = name_of(labels.rule);
  node["min_readers"] = labels.min_readers;
  node["benign_class"] = labels.benign_class;
  node["margin_mm"] = shortest(labels.margin_mm);
  node["min_nodule_px"] = labels.min_nodule_px;
  node["normals_per_malignant"] = shortest(labels.normals_per_malignant);
  node["axial_bins"] = labels.axial_bins;
  return node;
}

YAML::Node to_yaml(const NoduleOptions& nodule) {
  YAML::Node node;
  node["dimensions"] = nodule.dimensions;
  node["extent_mm"] = shortest(nodule.extent_mm);
  node["voxel_mm"] = shortest(nodule.voxel_mm);
  node["max_slices"] = nodule.max_slices;
  return node;
}

YAML::Node to_yaml(const SplitOptions& split) {
  YAML::Node node;
  node["mode"] = name_of(split.mode);
  node["test_fraction"] = shortest(split.test_fraction);
  node["validation_fraction"] = shortest(split.validation_fraction);
  node["folds"] = split.folds;
  node["fold"] = split.fold;
  node["file"] = split.file;
  node["by_scanner"] = split.by_scanner;
  return node;
}

YAML::Node to_yaml(const PreprocessSpec& spec) {
  YAML::Node node;
  node["window_low_hu"] = shortest(spec.window_low_hu);
  node["window_high_hu"] = shortest(spec.window_high_hu);
  node["gaussian_sigma_px"] = shortest(spec.gaussian_sigma_px);
  node["crop_px"] = spec.crop_px;
  node["size_px"] = spec.size_px;
  node["mask"] = spec.mask == LungMasking::kLungs ? "lungs" : "none";
  node["threshold"] = spec.threshold ? shortest(*spec.threshold) : "auto";
  node["min_lung_fraction"] = shortest(spec.min_lung_fraction);
  return node;
}

YAML::Node to_yaml(const StoreOptions& store) {
  YAML::Node node;
  node["masks"] = store.masks;
  node["shard_samples"] = store.shard_samples;
  node["deflate"] = store.deflate;
  return node;
}

/// 3D nodule volumes have one size, which the extent gives.
int volume_side(const NoduleOptions& nodule) {
  return static_cast<int>(std::lround(nodule.extent_mm / nodule.voxel_mm));
}

void read_nodule_task(YamlReader& root, LidcConfig& config) {
  config.nodule = read_nodule(root.section("nodule"));
  YamlReader preprocess = root.section("preprocess");
  if (config.preprocess.mask != LungMasking::kNone) {
    preprocess.refuse("mask", "task nodule needs none: a patch shows no whole lung");
  }
  if (config.preprocess.crop_px != 0) preprocess.refuse("crop_px", "task nodule crops by nodule.extent_mm; set 0");
  if (config.nodule.dimensions == 3) {
    const int side = volume_side(config.nodule);
    const int given = config.preprocess.size_px;
    if (given != side && given != PreprocessSpec().size_px) {
      preprocess.refuse("size_px", "a volume has nodule.extent_mm / voxel_mm = " + std::to_string(side) +
                                       " voxels a side; leave this key out");
    }
    config.preprocess.size_px = side;
  }
}

template <typename Config>
void read_common(YamlReader& root, Config& config) {
  config.seed = static_cast<std::uint64_t>(root.integer("seed", 1, 0, kMaxSeed));
  config.split = read_split(root.section("split"), config.seed);
  config.preprocess = read_preprocess_spec(root.section("preprocess"), config.preprocess);
  config.store = read_store(root.section("store"));
}

template <typename Config>
void common_to_yaml(const Config& config, YAML::Node& node) {
  node["split"] = to_yaml(config.split);
  node["preprocess"] = to_yaml(config.preprocess);
  node["store"] = to_yaml(config.store);
}

}  // namespace

LidcConfig read_lidc_config(const YAML::Node& node, const std::string& source) {
  YamlReader root(node, source);
  LidcConfig config;
  config.task = root.choice("task", config.task, {"slice", "nodule"});
  if (config.task == "nodule") config.preprocess.mask = LungMasking::kNone;
  read_common(root, config);
  config.labels = read_labels(root.section("labels"), config.seed);
  if (config.task == "nodule") read_nodule_task(root, config);
  root.finish();
  return config;
}

ImagesConfig read_images_config(const YAML::Node& node, const std::string& source) {
  YamlReader root(node, source);
  ImagesConfig config;
  config.task = root.choice("task", config.task, {"slice", "nodule"});
  read_common(root, config);
  YamlReader images = root.section("images");
  config.positive_class = images.text("positive_class", config.positive_class);
  if (images.text("intercept_hu", "none") != "none") {
    config.intercept_hu = images.real("intercept_hu", 0.0, -100000.0, 100000.0);
  }
  images.finish();
  root.finish();
  return config;
}

YAML::Node to_yaml(const LidcConfig& config) {
  YAML::Node node;
  node["task"] = config.task;
  node["seed"] = config.seed;
  node["labels"] = to_yaml(config.labels);
  if (config.task == "nodule") node["nodule"] = to_yaml(config.nodule);
  common_to_yaml(config, node);
  return node;
}

YAML::Node to_yaml(const ImagesConfig& config) {
  YAML::Node node;
  node["task"] = config.task;
  node["seed"] = config.seed;
  node["images"]["positive_class"] = config.positive_class;
  node["images"]["intercept_hu"] = config.intercept_hu ? shortest(*config.intercept_hu) : "none";
  common_to_yaml(config, node);
  return node;
}

}  // namespace pulmo::pipeline
