#include "core/store/shard_layout.h"

#include <set>

#include "core/support/digest.h"

namespace pulmo::layout {
namespace {

constexpr std::int64_t kMaxSideLength = 1 << 16;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 30;  // HDF5 allows chunks below 4 GiB
constexpr std::size_t kMaxClasses = 256;                      // labels are uint8

}  // namespace

std::vector<std::int64_t> image_extent(const SampleShape& shape) {
  if (shape.depth == 0) return {shape.channels, shape.height, shape.width};
  return {shape.channels, shape.depth, shape.height, shape.width};
}

std::vector<std::int64_t> lungs_extent(const SampleShape& shape) {
  return {shape.height, shape.width};
}

std::vector<std::int64_t> nodules_extent(const SampleShape& shape) {
  if (shape.depth == 0) return {shape.height, shape.width};
  return {shape.depth, shape.height, shape.width};
}

std::string to_text(const std::vector<std::int64_t>& extent) {
  std::string text = "(";
  for (const std::int64_t size : extent) {
    if (text.size() > 1) text += ',';
    text += std::to_string(size);
  }
  return text + ")";
}

std::int64_t elements(const std::vector<std::int64_t>& extent) {
  std::int64_t total = 1;
  for (const std::int64_t size : extent) total *= size;
  return total;
}

std::string problem_of(const ShardInfo& info) {
  const SampleShape& shape = info.shape;
  const auto side_ok = [](std::int64_t size) { return size >= 1 && size <= kMaxSideLength; };
  const bool depth_ok = shape.depth == 0 || side_ok(shape.depth);
  // Each product is bounded before the next factor, so nothing overflows.
  if (!side_ok(shape.channels) || !side_ok(shape.height) || !side_ok(shape.width) || !depth_ok ||
      shape.channels * shape.height > kMaxElements || shape.channels * shape.height * shape.width > kMaxElements ||
      shape.elements() > kMaxElements) {
    return "the sample shape " + to_text(image_extent(shape)) + " is not usable";
  }
  const auto& names = info.class_names;
  if (names.empty() || names.size() > kMaxClasses || std::set(names.begin(), names.end()).size() != names.size()) {
    return "class_names must hold 1 to 256 different names";
  }
  if (sha256_hex(std::string_view(info.spec_json)) != info.spec_sha256) {
    return "spec_sha256 is not the SHA-256 of spec";
  }
  return {};
}

}  // namespace pulmo::layout
