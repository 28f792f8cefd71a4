#include "core/image/preprocess_yaml.h"

namespace pulmo {

PreprocessSpec read_preprocess_spec(YamlReader reader, PreprocessSpec spec) {
  spec.window_low_hu = reader.real("window_low_hu", spec.window_low_hu, -10000.0, 10000.0);
  spec.window_high_hu = reader.real("window_high_hu", spec.window_high_hu, -10000.0, 10000.0);
  spec.gaussian_sigma_px = reader.real("gaussian_sigma_px", spec.gaussian_sigma_px, 0.0, 100.0);
  spec.crop_px = static_cast<int>(reader.integer("crop_px", spec.crop_px, 0, 1 << 16));
  spec.size_px = static_cast<int>(reader.integer("size_px", spec.size_px, 1, 1 << 16));
  const bool lungs =
      reader.choice("mask", spec.mask == LungMasking::kLungs ? "lungs" : "none", {"lungs", "none"}) == "lungs";
  spec.mask = lungs ? LungMasking::kLungs : LungMasking::kNone;
  if (reader.text("threshold", "auto") != "auto") spec.threshold = reader.real("threshold", 0.5, 0.0, 1.0);
  spec.min_lung_fraction = reader.real("min_lung_fraction", spec.min_lung_fraction, 0.0, 1.0);
  reader.finish();
  validate(spec);
  return spec;
}

}  // namespace pulmo
