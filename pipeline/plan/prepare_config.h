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

/// The nodule task: patches of a fixed extent around nodules.
struct NoduleOptions {
  int dimensions = 2;       ///< 2: a patch of each slice that cuts the nodule; 3: one volume a nodule
  double extent_mm = 48.0;  ///< side of the patch, or of the cube
  double voxel_mm = 1.0;    ///< 3D: side of a voxel after resampling
  int max_slices = 0;       ///< 2D: at most this many slices a nodule, those nearest to its middle; 0: all

  bool operator==(const NoduleOptions&) const = default;
};

/// Configuration of `pulmo-prepare lidc`; configs/prepare.yaml (task slice) and configs/prepare_nodules.yaml (task
/// nodule) explain every key.
struct LidcConfig {
  std::string task = "slice";
  std::uint64_t seed = 1;  ///< of the draws of labels and split, which do not keep their own
  LabelOptions labels;
  NoduleOptions nodule;
  SplitOptions split;
  PreprocessSpec preprocess;
  StoreOptions store;

  bool operator==(const LidcConfig&) const = default;
};

/// Configuration of `pulmo-prepare images`; configs/prepare_images.yaml explains every key.
struct ImagesConfig {
  std::string task = "slice";                ///< what one picture is: slice or nodule
  std::uint64_t seed = 1;                    ///< of the split
  std::string positive_class = "malignant";  ///< the label that precision, recall and ROC are about
  std::optional<double> intercept_hu;        ///< pictures hold HU minus this; nullopt: plain grey pictures
  SplitOptions split;
  PreprocessSpec preprocess;
  StoreOptions store;

  bool operator==(const ImagesConfig&) const = default;
};

/// Strict: throws InvalidInput("configuration") for unknown keys and values out of range, InvalidInput("spec") for a
/// PreprocessSpec that cannot be.
/// With task nodule the default of preprocess.mask is none, and other values are refused: a patch shows no whole lung.
LidcConfig read_lidc_config(const YAML::Node& node, const std::string& source);
ImagesConfig read_images_config(const YAML::Node& node, const std::string& source);

/// The whole configuration as YAML with the keys of the files in configs/: for report.yaml, and to tell two
/// configurations apart.
YAML::Node to_yaml(const LidcConfig& config);
YAML::Node to_yaml(const ImagesConfig& config);

}  // namespace pulmo::pipeline
