#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "pipeline/inspection/prepared_data.h"

namespace pulmo::pipeline {

/// What some samples are of. Distinct values are kept, so that counts of several shards can be joined.
struct SampleCount {
  std::int64_t samples = 0;
  std::set<std::string> patients;
  std::set<std::string> series;
  std::set<std::string> groups;

  void add(const ShardReader& shard, std::size_t index);
};

struct SplitSummary {
  std::string name;  ///< train, validation, test, total
  SampleCount all;
  std::vector<SampleCount> classes;  ///< K
  std::int64_t bytes = 0;            ///< of its shards
};

/// A prepared folder, counted from its shards.
struct Summary {
  PreparedData data;
  std::vector<SplitSummary> splits;  ///< train, validation, test, total

  const SplitSummary& total() const { return splits.back(); }
};

/// Throws what open_prepared() throws.
Summary summarise(const std::filesystem::path& directory);

/// "1 x 224 x 224"
std::string shape_text(const SampleShape& shape);

/// "12.5 MiB"
std::string mebibytes(std::int64_t bytes);

}  // namespace pulmo::pipeline
