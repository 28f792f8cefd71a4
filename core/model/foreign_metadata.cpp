#include "core/model/foreign_metadata.h"

#include <string>

#include "core/image/preprocess_yaml.h"
#include "core/model/metadata_json.h"
#include "core/support/error.h"
#include "core/support/yaml_reader.h"

namespace pulmo {

namespace {

BundleMetadata read_metadata(const std::filesystem::path& file) {
  YamlReader reader(load_yaml(file), file.string());
  BundleMetadata metadata;
  metadata.row = reader.required_text("name");
  metadata.version = reader.text("version", "1");
  metadata.input =
      reader.choice("input", "image", {"image", "features"}) == "image" ? BundleInput::kImage : BundleInput::kFeatures;
  metadata.channels = reader.integer("channels", metadata.channels, 1, 64);
  metadata.depth = reader.integer("depth", metadata.depth, 0, 1024);
  metadata.class_names = reader.texts("classes", {});
  metadata.positive_class = reader.required_text("positive_class");
  metadata.threshold = reader.real("threshold", metadata.threshold, 0.0, 1.0);
  metadata.temperature = reader.real("temperature", metadata.temperature, 1e-6, 1e6);
  metadata.phantom = reader.boolean("phantom", metadata.phantom);
  metadata.task = reader.text("task", metadata.task);
  if (!reader.has("preprocess")) reader.refuse("preprocess", "is missing: say how the model's pictures are prepared");
  metadata.spec = read_preprocess_spec(reader.section("preprocess"));
  reader.finish();
  metadata.metrics_json = "{}";
  return metadata_from_json(metadata_to_json(metadata), file.string());
}

}  // namespace

BundleMetadata read_foreign_metadata(const std::filesystem::path& file) {
  try {
    return read_metadata(file);
  } catch (const InvalidInput& error) {  // classes and the like, what any bundle must be, are told without the file
    const std::string problem = error.what();
    if (problem.find(file.string()) != std::string::npos) throw;
    throw InvalidInput(error.reason(), file.string() + ": " + problem);
  }
}

}  // namespace pulmo
