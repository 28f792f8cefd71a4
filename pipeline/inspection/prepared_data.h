#pragma once

#include <array>
#include <filesystem>
#include <vector>

#include "core/store/manifest.h"
#include "core/store/shard.h"

namespace pulmo::pipeline {

/// A prepared folder with all its shards open.
struct PreparedData {
  Manifest manifest;
  std::array<std::vector<ShardReader>, 3> splits;  ///< indexed by Split

  const std::vector<ShardReader>& split(Split which) const { return splits[static_cast<std::size_t>(which)]; }
  /// Whether every shard stores the masks; false for a folder without samples.
  bool has_lungs() const;
  bool has_nodules() const;
};

/// Throws what read_manifest() and open_split() throw.
PreparedData open_prepared(const std::filesystem::path& directory);

}  // namespace pulmo::pipeline
