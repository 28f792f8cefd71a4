#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include <yaml-cpp/yaml.h>

#include "pipeline/run/shard_run.h"

namespace pulmo::pipeline {

/// Writes `result` as STATE/<shard>.yaml, atomically: from then on the shard counts as finished. Throws IoError.
void write_shard_state(const std::filesystem::path& state, const ShardResult& result);

/// nullopt when there is none or it cannot be read (the shard is then made again). The split is not stored.
std::optional<ShardResult> read_shard_state(const std::filesystem::path& state, const std::string& shard_file);

/// A tally as `reason: {count, examples}`.
YAML::Node to_yaml(const Tally& tally);
Tally tally_from_yaml(const YAML::Node& node);

}  // namespace pulmo::pipeline
