#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <optional>
#include <string>

#include "core/image/preprocess.h"
#include "pipeline/lidc/labels.h"
#include "pipeline/plan/split.h"

namespace pulmo::pipeline {

struct StoreOptions {
  bool masks = true;        ///< lungs (where they are segmented) and nodules (where they are known)
  int shard_samples = 512;  ///< at most this many samples a shard
  int deflate = 0;          ///< 0 off, 1 fast to 9 small

  bool operator==(const StoreOptions&) const = default;
};

/// Configuration of `pulmo-prepare lidc`; configs/prepare.yaml explains every key.
struct LidcConfig {
  std::string task = "slice";
  std::uint64_t seed = 1;  ///< of the draws of labels and split, which do not keep their own
  LabelOptions labels;
  SplitOptions split;
  PreprocessSpec preprocess;
  StoreOptions store;

  bool operator==(const LidcConfig&) const = default;
};

/// Configuration of `pulmo-prepare images`; configs/prepare_images.yaml explains every key.
struct ImagesConfig {
  std::string task = "slice";          ///< what one picture is: slice or nodule
  std::uint64_t seed = 1;              ///< of the split
  std::optional<double> intercept_hu;  ///< pictures hold HU minus this; nullopt: plain grey pictures
  SplitOptions split;
  PreprocessSpec preprocess;
  StoreOptions store;

  bool operator==(const ImagesConfig&) const = default;
};

/// Strict: throws InvalidInput("configuration") for unknown keys and values out of range, InvalidInput("spec") for a
/// PreprocessSpec that cannot be.
LidcConfig read_lidc_config(const YAML::Node& node, const std::string& source);
ImagesConfig read_images_config(const YAML::Node& node, const std::string& source);

/// The whole configuration as YAML with the keys of the files in configs/: for report.yaml, and to tell two
/// configurations apart.
YAML::Node to_yaml(const LidcConfig& config);
YAML::Node to_yaml(const ImagesConfig& config);

}  // namespace pulmo::pipeline
