#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace pulmo::pipeline {

struct VerifyReport {
  std::vector<std::string> problems;  ///< each names the file or split and what is wrong; empty: the folder is good
  std::vector<std::string> warnings;  ///< not wrong, but worth knowing (the same picture in two splits, stray files)
  std::int64_t shards = 0;            ///< opened
  std::int64_t samples = 0;           ///< read to the last pixel
  std::int64_t patients = 0;
  std::int64_t bytes = 0;  ///< of all shards

  bool good() const { return problems.empty(); }
  /// For people: a line for each problem and warning, and one that sums up.
  std::string text() const;
};

/// Called after each shard with the number of shards done and in all.
using VerifyProgress = std::function<void(std::int64_t done, std::int64_t total)>;

/// Checks everything that docs/formats.md promises: the SHA-256 of each shard, the checksum of each image and mask (all
/// are read), classes, shape and spec of each shard, counts, values of the masks, black outside the lungs where the
/// spec says so, and, from the shards themselves, that no patient and no group is in two splits and that the manifest
/// lists exactly the patients that are there. Goes on after a problem and never names a patient. Throws IoError when
/// there is no manifest to begin with.
VerifyReport verify(const std::filesystem::path& directory, const VerifyProgress& progress = {});

}  // namespace pulmo::pipeline
