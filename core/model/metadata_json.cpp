#include "core/model/metadata_json.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "core/model/reference_json.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "pulmo-bundle";
constexpr int kSliceFormatVersion = 2;   // of a model of slices, which programs without volumes can read
constexpr int kVolumeFormatVersion = 3;  // of one of volumes
constexpr const char* kKeys[] = {"format",  "format_version", "row",     "version",       "input",   "channels",
                                 "classes", "positive_class", "spec",    "threshold",     "phantom", "temperature",
                                 "task",    "data_digest",    "created", "pulmo_version", "metrics"};

/// Collects where an error is: every message names the bundle.
struct Reader {
  std::string_view file;
  json document;

  [[noreturn]] void refuse(const std::string& why) const {
    throw InvalidInput("bundle", "bundle " + std::string(file) + ": " + why);
  }

  template <typename Value>
  Value get(const char* key) const {
    try {
      return document.at(key).get<Value>();
    } catch (const json::exception&) {
      refuse("its metadata has no usable \"" + std::string(key) + "\"; export the bundle again");
    }
  }

  bool get_flag(const char* key) const { return get<bool>(key); }

  double get_number(const char* key, double low, double high) const {
    const double value = get<double>(key);
    if (!(value >= low && value <= high)) {
      refuse(std::string(key) + " is " + std::to_string(value) + ", must be " + std::to_string(low) + " to " +
             std::to_string(high));
    }
    return value;
  }
};

const char* to_string(BundleInput input) {
  return input == BundleInput::kImage ? "image" : "features";
}

BundleInput read_input(const Reader& reader) {
  const auto input = reader.get<std::string>("input");
  if (input == "image") return BundleInput::kImage;
  if (input == "features") return BundleInput::kFeatures;
  reader.refuse("input is \"" + input + "\", must be \"image\" or \"features\"");
}

constexpr std::int64_t kDeepest = 1024;

std::int64_t read_depth(const Reader& reader, BundleInput input) {
  if (!reader.document.contains("depth")) return 0;
  const auto depth = reader.get<std::int64_t>("depth");
  if (depth < 1 || depth > kDeepest) {
    reader.refuse("depth is " + std::to_string(depth) + ", must be 1 to " + std::to_string(kDeepest));
  }
  if (input != BundleInput::kImage) reader.refuse("it has a depth, but takes features");
  return depth;
}

void check_version(const Reader& reader) {
  if (!reader.document.is_object() || reader.document.value("format", json()) != kFormat) {
    reader.refuse("its pulmo.json is not the metadata of a pulmo bundle");
  }
  const auto version = reader.get<std::int64_t>("format_version");
  if (version > kBundleFormatVersion) {
    reader.refuse("it has format version " + std::to_string(version) + ", this program reads up to version " +
                  std::to_string(kBundleFormatVersion) + "; update pulmo or export the bundle again");
  }
  if (version < 1) reader.refuse("format version " + std::to_string(version) + " does not exist");
}

void check_keys(const Reader& reader) {
  std::set<std::string> known(std::begin(kKeys), std::end(kKeys));
  if (reader.get<std::int64_t>("format_version") >= 2) known.insert("reference");
  if (reader.get<std::int64_t>("format_version") >= 3) known.insert("depth");
  if (reader.get<std::int64_t>("format_version") >= 4) known.insert("crop");
  for (const auto& [key, value] : reader.document.items()) {
    if (known.count(key) == 0) reader.refuse("unknown key \"" + key + "\" in its metadata");
  }
}

void check_classes(const Reader& reader, const BundleMetadata& metadata) {
  const std::set<std::string> distinct(metadata.class_names.begin(), metadata.class_names.end());
  if (distinct.size() < 2 || distinct.size() != metadata.class_names.size() || distinct.count("") != 0) {
    reader.refuse("classes must be at least two distinct names");
  }
  if (distinct.count(metadata.positive_class) == 0) {
    reader.refuse("positive_class \"" + metadata.positive_class + "\" is not one of its classes");
  }
}

PreprocessSpec read_spec(const Reader& reader) {
  try {
    return spec_from_json(reader.get<json>("spec").dump());
  } catch (const InvalidInput& error) {
    reader.refuse(error.what());
  }
}

std::optional<ReferenceStatistics> read_reference(const Reader& reader) {
  if (!reader.document.contains("reference")) return std::nullopt;
  try {
    return reference_from_json(reader.document["reference"]);
  } catch (const InvalidInput& error) {
    reader.refuse(error.what());
  }
}

std::optional<NoduleCrop> read_crop(const Reader& reader) {
  if (!reader.document.contains("crop")) return std::nullopt;
  const json& crop = reader.document["crop"];
  if (!crop.is_object() || crop.size() != 2 || !crop.value("extent_mm", json()).is_number() ||
      !crop.value("voxel_mm", json()).is_number()) {
    reader.refuse("crop must hold the numbers extent_mm and voxel_mm");
  }
  const NoduleCrop read{crop["extent_mm"].get<double>(), crop["voxel_mm"].get<double>()};
  if (!(read.extent_mm > 0.0 && read.extent_mm <= 1000.0 && read.voxel_mm >= 0.0 && read.voxel_mm <= read.extent_mm)) {
    reader.refuse("crop is no extent_mm above 0 and at most 1000 with a voxel_mm within it");
  }
  return read;
}

/// The oldest that can tell it, for the sake of older programs.
int version_for(const BundleMetadata& metadata) {
  if (metadata.crop) return kBundleFormatVersion;
  return metadata.depth > 0 ? kVolumeFormatVersion : kSliceFormatVersion;
}

BundleMetadata read(const Reader& reader) {
  check_version(reader);
  check_keys(reader);
  BundleMetadata metadata;
  metadata.row = reader.get<std::string>("row");
  if (metadata.row.empty()) reader.refuse("row is empty");
  metadata.version = reader.get<std::string>("version");
  metadata.input = read_input(reader);
  metadata.channels = reader.get<std::int64_t>("channels");
  if (metadata.channels < 1) reader.refuse("channels is " + std::to_string(metadata.channels) + ", must be positive");
  metadata.depth = read_depth(reader, metadata.input);
  metadata.class_names = reader.get<std::vector<std::string>>("classes");
  metadata.positive_class = reader.get<std::string>("positive_class");
  check_classes(reader, metadata);
  metadata.spec = read_spec(reader);
  metadata.threshold = reader.get_number("threshold", 0.0, 1.0);
  metadata.temperature = reader.get_number("temperature", 1e-6, 1e6);
  metadata.phantom = reader.get_flag("phantom");
  metadata.task = reader.get<std::string>("task");
  metadata.data_digest = reader.get<std::string>("data_digest");
  metadata.created = reader.get<std::string>("created");
  metadata.pulmo_version = reader.get<std::string>("pulmo_version");
  metadata.metrics_json = reader.get<json::object_t>("metrics").empty() ? "{}" : reader.document["metrics"].dump();
  metadata.reference = read_reference(reader);
  metadata.crop = read_crop(reader);
  return metadata;
}

}  // namespace

std::string text_of(const NoduleCrop& crop) {
  const auto number = [](double value) { return json(value).dump(); };
  if (crop.voxel_mm == 0.0) return "squares of " + number(crop.extent_mm) + " mm";
  return "cubes of " + number(crop.extent_mm) + " mm in voxels of " + number(crop.voxel_mm) + " mm";
}

BundleMetadata metadata_from_json(std::string_view text, std::string_view file) {
  Reader reader{file, json::parse(text, nullptr, false)};
  if (reader.document.is_discarded()) reader.refuse("its pulmo.json is not JSON");
  return read(reader);
}

std::string metadata_to_json(const BundleMetadata& metadata) {
  json metrics = json::parse(metadata.metrics_json.empty() ? "{}" : metadata.metrics_json, nullptr, false);
  json document = {{"format", kFormat},
                   {"format_version", version_for(metadata)},
                   {"row", metadata.row},
                   {"version", metadata.version},
                   {"input", to_string(metadata.input)},
                   {"channels", metadata.channels},
                   {"classes", metadata.class_names},
                   {"positive_class", metadata.positive_class},
                   {"spec", json::parse(spec_to_json(metadata.spec))},
                   {"threshold", metadata.threshold},
                   {"temperature", metadata.temperature},
                   {"phantom", metadata.phantom},
                   {"task", metadata.task},
                   {"data_digest", metadata.data_digest},
                   {"created", metadata.created},
                   {"pulmo_version", metadata.pulmo_version},
                   {"metrics", metrics.is_discarded() ? json() : std::move(metrics)}};
  if (metadata.depth > 0) document["depth"] = metadata.depth;
  if (metadata.crop)
    document["crop"] = {{"extent_mm", metadata.crop->extent_mm}, {"voxel_mm", metadata.crop->voxel_mm}};
  if (metadata.reference) document["reference"] = reference_to_json(*metadata.reference);
  std::string text = document.dump(2, ' ', false, json::error_handler_t::replace);
  metadata_from_json(text, "to be written");  // never write what could not be read back
  return text;
}

}  // namespace pulmo
