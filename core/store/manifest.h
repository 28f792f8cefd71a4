#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/image/preprocess.h"
#include "core/store/shard.h"

namespace pulmo {

inline constexpr int kManifestFormatVersion = 1;

/// The parts of a split, in the order in which they are listed everywhere.
enum class Split { kTrain, kValidation, kTest };
inline constexpr std::array<Split, 3> kSplits = {Split::kTrain, Split::kValidation, Split::kTest};
/// "train", "validation", "test".
std::string_view to_string(Split split);

struct ManifestShard {
  std::string file;  ///< relative to the manifest
  std::int64_t samples = 0;
  std::string sha256;
};

struct ManifestSplit {
  std::vector<ManifestShard> shards;
  std::vector<std::string> patients;           ///< sorted
  std::map<std::string, std::int64_t> counts;  ///< samples of each class

  std::int64_t samples() const;
};

/// `manifest.yaml` of a prepared folder.
struct Manifest {
  std::string task;
  std::string source;                    ///< "lidc", "images"
  std::vector<std::string> class_names;  ///< K
  std::string positive_class;            ///< "malignant" where there is one, else the last class
  SampleShape shape;
  PreprocessSpec spec;
  std::uint64_t seed = 0;
  bool phantom = false;                           ///< made from the synthetic phantom: results must say so
  std::map<std::string, std::string> provenance;  ///< label rule, margins, ...: key and value as prepare wrote them
  std::array<ManifestSplit, 3> splits;            ///< indexed by Split

  ManifestSplit& split(Split which) { return splits[static_cast<std::size_t>(which)]; }
  const ManifestSplit& split(Split which) const { return splits[static_cast<std::size_t>(which)]; }
  /// Index of positive_class.
  int positive_index() const;
  /// SHA-256 over classes, spec digest and shard digests: names the data in bundles and tables.
  std::string data_digest() const;
};

/// Atomic. Throws IoError, or InvalidInput("manifest") for a manifest that read_manifest() would refuse.
void write_manifest(const std::filesystem::path& directory, const Manifest& manifest);
/// Throws IoError, or InvalidInput("manifest") (malformed, newer version, a patient in two splits).
Manifest read_manifest(const std::filesystem::path& directory);

/// What differs between a shard and its entry in the manifest (samples, classes, task, shape, spec digest), as the end
/// of a sentence about the shard; empty when nothing does.
std::string shard_difference(const ShardReader& shard, const ManifestShard& entry, const Manifest& manifest);

/// Opens every shard of one split and checks it against the manifest: shard_difference() and the samples of each class
/// in all of them. With `check_digests` also the SHA-256 of each file, before HDF5 sees it. Throws
/// InvalidInput("shard") naming the file and the difference, IoError when a file is missing.
std::vector<ShardReader> open_split(const std::filesystem::path& directory, const Manifest& manifest, Split split,
                                    bool check_digests = false);

}  // namespace pulmo
