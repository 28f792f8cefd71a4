#include "training/crop.h"

#include <charconv>
#include <string>

namespace pulmo::training {
namespace {

std::optional<double> millimetres(const Manifest& manifest, const std::string& key) {
  const auto found = manifest.provenance.find(key);
  if (found == manifest.provenance.end()) return std::nullopt;
  const std::string& text = found->second;
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value > 0.0)) return std::nullopt;
  return value;
}

}  // namespace

std::optional<NoduleCrop> crop_of(const Manifest& manifest) {
  if (manifest.source != "lidc" || manifest.task != "nodule") return std::nullopt;
  const auto extent_mm = millimetres(manifest, "nodule.extent_mm");
  const auto voxel_mm = manifest.shape.depth > 0 ? millimetres(manifest, "nodule.voxel_mm") : std::optional(0.0);
  if (!extent_mm || !voxel_mm) return std::nullopt;
  return NoduleCrop{*extent_mm, *voxel_mm};
}

}  // namespace pulmo::training
