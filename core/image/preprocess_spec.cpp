#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "core/image/preprocess.h"
#include "core/support/digest.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;

[[noreturn]] void refuse(const std::string& problem) {
  throw InvalidInput("spec", "preprocessing spec: " + problem);
}

void require(bool holds, const std::string& key, double value, const std::string& range) {
  if (!holds) {
    refuse(key + " is " + json(value).dump() + ", must be " + range);
  }
}

template <typename Value>
Value member(const json& document, const char* key) {
  try {
    return document.at(key).get<Value>();
  } catch (const json::exception&) {
    refuse(std::string(key) + " is missing or of the wrong type");
  }
}

LungMasking parse_masking(const std::string& name) {
  if (name != "lungs" && name != "none") {
    refuse("mask is '" + name + "', must be 'lungs' or 'none'");
  }
  return name == "lungs" ? LungMasking::kLungs : LungMasking::kNone;
}

void refuse_unknown_keys(const json& document) {
  static const std::set<std::string> known = {"crop_px",           "gaussian_sigma_px", "mask",
                                              "min_lung_fraction", "size_px",           "threshold",
                                              "version",           "window_high_hu",    "window_low_hu"};
  for (const auto& [key, value] : document.items()) {
    if (!known.contains(key)) {
      refuse("unknown key '" + key + "': this build is too old for it, or it is misspelt");
    }
  }
}

}  // namespace

std::string spec_to_json(const PreprocessSpec& spec) {
  json document;  // nlohmann keeps the keys of an object sorted, which makes the text canonical
  document["version"] = spec.version;
  document["window_low_hu"] = spec.window_low_hu;
  document["window_high_hu"] = spec.window_high_hu;
  document["gaussian_sigma_px"] = spec.gaussian_sigma_px;
  document["crop_px"] = spec.crop_px;
  document["size_px"] = spec.size_px;
  document["mask"] = spec.mask == LungMasking::kLungs ? "lungs" : "none";
  document["threshold"] = spec.threshold ? json(*spec.threshold) : json();
  document["min_lung_fraction"] = spec.min_lung_fraction;
  return document.dump();
}

PreprocessSpec spec_from_json(std::string_view text) {
  const json document = json::parse(text, nullptr, false);
  if (!document.is_object()) {
    refuse("not a JSON object");
  }
  PreprocessSpec spec;
  spec.version = member<int>(document, "version");
  if (spec.version > kVersion) {
    refuse("version " + std::to_string(spec.version) + " is newer than this build's " + std::to_string(kVersion) +
           ": update pulmo");
  }
  refuse_unknown_keys(document);
  spec.window_low_hu = member<double>(document, "window_low_hu");
  spec.window_high_hu = member<double>(document, "window_high_hu");
  spec.gaussian_sigma_px = member<double>(document, "gaussian_sigma_px");
  spec.crop_px = member<int>(document, "crop_px");
  spec.size_px = member<int>(document, "size_px");
  spec.mask = parse_masking(member<std::string>(document, "mask"));
  if (document.contains("threshold") && !document["threshold"].is_null()) {
    spec.threshold = member<double>(document, "threshold");
  }
  spec.min_lung_fraction = member<double>(document, "min_lung_fraction");
  validate(spec);
  return spec;
}

std::string spec_digest(const PreprocessSpec& spec) {
  return sha256_hex(spec_to_json(spec));
}

void validate(const PreprocessSpec& spec) {
  require(spec.version == kVersion, "version", spec.version, std::to_string(kVersion));
  require(std::isfinite(spec.window_low_hu), "window_low_hu", spec.window_low_hu, "finite");
  require(std::isfinite(spec.window_high_hu) && spec.window_high_hu > spec.window_low_hu, "window_high_hu",
          spec.window_high_hu, "above window_low_hu");
  require(spec.gaussian_sigma_px >= 0.0 && spec.gaussian_sigma_px <= 50.0, "gaussian_sigma_px", spec.gaussian_sigma_px,
          "in [0, 50]");
  require(spec.crop_px == 0 || (spec.crop_px >= 16 && spec.crop_px <= 4096), "crop_px", spec.crop_px,
          "0 (whole slice) or in [16, 4096]");
  require(spec.size_px >= 16 && spec.size_px <= 2048, "size_px", spec.size_px, "in [16, 2048]");
  require(!spec.threshold || (*spec.threshold > 0.0 && *spec.threshold < 1.0), "threshold",
          spec.threshold.value_or(0.0), "inside (0, 1), or absent for Otsu's");
  require(spec.min_lung_fraction >= 0.0 && spec.min_lung_fraction < 1.0, "min_lung_fraction", spec.min_lung_fraction,
          "in [0, 1)");
}

}  // namespace pulmo
