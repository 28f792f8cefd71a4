#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/model/bundle_metadata.h"

namespace pulmo::testing {

struct TestBundleOptions {
  std::string network = "proposed_cnn";
  std::int64_t channels = 1;
  std::int64_t depth = 0;  ///< of a network that takes volumes
  int size_px = 32;        ///< of the model's input
  LungMasking mask = LungMasking::kLungs;
  std::vector<std::string> classes = {"normal", "malignant"};
  std::string positive_class = "malignant";
  std::string version = "1";
  double threshold = 0.5;
  double temperature = 1.0;
  bool phantom = false;
  std::uint64_t seed = 1;  ///< of the initial weights
};

/// What write_test_bundle() stores.
BundleMetadata test_bundle_metadata(const TestBundleOptions& options = {});

/// Writes a real bundle: a randomly initialised network, never trained.
void write_test_bundle(const std::filesystem::path& path, const TestBundleOptions& options = {});

}  // namespace pulmo::testing
