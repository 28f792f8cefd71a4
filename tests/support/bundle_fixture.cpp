#include "tests/support/bundle_fixture.h"

#include "core/model/bundle.h"
#include "core/model/network.h"

namespace pulmo::testing {

BundleMetadata test_bundle_metadata(const TestBundleOptions& options) {
  BundleMetadata metadata;
  metadata.row = options.network;
  metadata.version = options.version;
  metadata.channels = options.channels;
  metadata.depth = options.depth;
  metadata.class_names = options.classes;
  metadata.positive_class = options.positive_class;
  metadata.spec.size_px = options.size_px;
  metadata.spec.mask = options.mask;
  metadata.threshold = options.threshold;
  metadata.temperature = options.temperature;
  metadata.phantom = options.phantom;
  metadata.task = "slice";
  metadata.data_digest = std::string(64, '0');
  metadata.metrics_json = "{}";
  return metadata;
}

void write_test_bundle(const std::filesystem::path& path, const TestBundleOptions& options) {
  NetworkOptions network;
  network.name = options.network;
  network.channels = options.channels;
  network.depth = options.depth;
  network.size_px = options.size_px;
  network.classes = static_cast<std::int64_t>(options.classes.size());
  network.seed = options.seed;
  save_bundle(path, to_torchscript(*make_network(network)), test_bundle_metadata(options));
}

}  // namespace pulmo::testing
