#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "pipeline/input/byte_source.h"
#include "pipeline/run/finish.h"
#include "pipeline/run/output_folder.h"
#include "pipeline/run/run_draft.h"
#include "pipeline/run/shard_run.h"

namespace pulmo::pipeline {

/// How a prepare command runs, beside what it makes.
struct PrepareOptions {
  std::filesystem::path output;
  std::size_t threads = 1;
  bool strict = false;  ///< the first problem ends the run, also one that an earlier run has recorded
  bool force = false;   ///< begin anew, whatever lies in the output folder; of a part: only what is another run's
  std::size_t part = 1, parts = 1;  ///< make every parts-th shard, beginning at `part` (1-based); merge finishes then
};

/// A run whose plan is made: what is missing is pixels.
struct PlannedRun {
  RunDraft draft;
  std::size_t shard_samples = 512;
  std::array<std::vector<std::size_t>, 3> jobs_of_split;
  std::function<JobWorker()> make_worker;
};

/// SHA-256 over a configuration, the names and sizes of the input files, and what was read of those that decide which
/// sample is what (a split file, annotations): equal for equal runs.
std::string fingerprint_of(const YAML::Node& configuration, const std::vector<const ByteSource*>& sources,
                           const std::vector<std::string>& contents);

/// `section.key` -> value for the values of a configuration that the manifest does not say elsewhere: how labels and
/// split came about. For its provenance.
std::map<std::string, std::string> provenance_of(const YAML::Node& configuration);

/// The run of all prepare commands: claims the output folder for `fingerprint`, and unless it is finished already
/// plans, makes the shards of this part, and (when there is only one part) finishes. nullopt: parts of a job array are
/// left, `pulmo-prepare merge` finishes. Throws what its parts throw.
std::optional<RunSummary> run_prepare(const PrepareOptions& options, const std::string& fingerprint,
                                      const std::function<PlannedRun()>& plan);

/// Finishes a run whose parts are all made. Throws InvalidInput("output") when there is nothing to merge or shards are
/// missing, naming them.
RunSummary merge_parts(const std::filesystem::path& directory);

}  // namespace pulmo::pipeline
