#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/store/shard.h"

/// The names and shapes that the writer and the reader of a shard share (docs/formats.md).
namespace pulmo::layout {

inline constexpr const char* kImages = "images";
inline constexpr const char* kLungs = "lungs";
inline constexpr const char* kNodules = "nodules";
inline constexpr const char* kLabels = "labels";
inline constexpr const char* kPatients = "patients";
inline constexpr const char* kSeries = "series";
inline constexpr const char* kGroups = "groups";
inline constexpr const char* kInstances = "instances";
inline constexpr const char* kPositions = "position_mm";

inline constexpr const char* kFormatVersion = "format_version";
inline constexpr const char* kClassNames = "class_names";
inline constexpr const char* kSpec = "spec";
inline constexpr const char* kSpecDigest = "spec_sha256";
inline constexpr const char* kTask = "task";
inline constexpr const char* kPulmoVersion = "pulmo_version";

/// (C,H,W) or (C,D,H,W).
std::vector<std::int64_t> image_extent(const SampleShape& shape);
/// (H,W).
std::vector<std::int64_t> lungs_extent(const SampleShape& shape);
/// (H,W) or (D,H,W).
std::vector<std::int64_t> nodules_extent(const SampleShape& shape);
/// "(N,1,224,224)" with N as given.
std::string to_text(const std::vector<std::int64_t>& extent);
/// Product of the extent.
std::int64_t elements(const std::vector<std::int64_t>& extent);

/// What is wrong with the info, or empty: shape, class names, spec and digest.
std::string problem_of(const ShardInfo& info);

}  // namespace pulmo::layout
