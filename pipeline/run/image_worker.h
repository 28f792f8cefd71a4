#pragma once

#include <filesystem>

#include "pipeline/input/byte_source.h"
#include "pipeline/input/image_manifest.h"
#include "pipeline/plan/prepare_config.h"
#include "pipeline/run/shard_run.h"

namespace pulmo::pipeline {

/// What the workers of an images run share; must outlive them.
struct ImageTask {
  const std::filesystem::path& manifest_path;
  const ImageManifest& manifest;
  const ByteSource& source;
  const ImagesConfig& config;

  bool stores_lungs() const { return config.store.masks && config.preprocess.mask == LungMasking::kLungs; }
  bool stores_nodules() const { return config.store.masks && manifest.has_masks; }
};

/// A worker that reads, decodes and preprocesses the picture of a row (job: index of the row). A mask picture's value
/// is the number of readers who outlined the pixel; a picture with values above 16 is a drawing of one outline (white,
/// from half of its highest value on).
JobWorker make_image_worker(const ImageTask& task);

}  // namespace pulmo::pipeline
