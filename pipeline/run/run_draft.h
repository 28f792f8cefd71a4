#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "core/store/manifest.h"
#include "core/store/shard.h"
#include "pipeline/run/ledger.h"
#include "pipeline/run/shard_run.h"

namespace pulmo::pipeline {

/// What is known of a run before its first shard is made. Together with the shards' results it is all that the final
/// manifest and report need, so a part of a job array can make shards and another process can finish the run.
struct RunDraft {
  std::string fingerprint;  ///< SHA-256 over configuration, input listing and version: same fingerprint, same result
  Manifest manifest;        ///< without its splits
  int deflate = 0;
  bool has_lungs = false;
  bool has_nodules = false;
  std::vector<ShardPlan> shards;     ///< jobs are not stored
  std::string split_csv;             ///< "patient,split" table of all patients
  Scope job_scope = Scope::kSlices;  ///< what the jobs' left_out counts
  YAML::Node configuration;          ///< effective, for the report
  Ledger ledger;                     ///< of the planning
  Statistics statistics;             ///< of the input, as far as it is known before its pixels

  ShardInfo shard_info() const;
};

/// STATE/run.yaml. Throws IoError.
void write_draft(const std::filesystem::path& state, const RunDraft& draft);
/// Throws IoError, or InvalidInput("output") when the file is damaged.
RunDraft read_draft(const std::filesystem::path& state);
bool has_draft(const std::filesystem::path& state);

}  // namespace pulmo::pipeline
