#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/store/manifest.h"
#include "pipeline/run/output_folder.h"
#include "pipeline/run/run_draft.h"
#include "pipeline/run/shard_run.h"

namespace pulmo::pipeline {

/// What a finished run comes to.
struct RunSummary {
  Manifest manifest;
  std::int64_t samples = 0;
  std::int64_t problems = 0;
};

/// Writes split.csv, report.yaml, manifest.yaml (from then on the folder is finished) and report.html, and removes the
/// state of the run. Throws InvalidInput("no_samples") when no job gave a sample, with the reasons why; IoError.
RunSummary finish_run(OutputFolder& folder, const RunDraft& draft, const std::vector<ShardResult>& shards);

/// Writes the report.html of a finished folder.
void write_report_page(const std::filesystem::path& directory);

/// report.yaml: configuration, totals, samples, statistics, and what was left out or broken, counted by reason.
std::string report_text(const RunDraft& draft, const std::vector<ShardResult>& shards);

}  // namespace pulmo::pipeline
