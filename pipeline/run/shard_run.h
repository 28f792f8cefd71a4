#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/store/manifest.h"
#include "core/store/shard.h"
#include "pipeline/inspection/distribution.h"
#include "pipeline/run/ledger.h"

namespace pulmo::pipeline {

/// One shard to be made: which jobs, in which order. A shard is the unit of resumption and of the parts of a job array.
struct ShardPlan {
  Split split = Split::kTest;
  std::string file;  ///< "train-00000.h5"
  std::vector<std::size_t> jobs;
};

/// What a job gave: a sample, or the reasons why not.
struct JobOutcome {
  std::optional<Sample> sample;
  Tally left_out;  ///< of the run's scope
  Tally problems;
  Tally notes;
  Statistics statistics;  ///< of the sample
};

/// Does one job; called from one thread only.
using JobWorker = std::function<JobOutcome(std::size_t job)>;

/// What is known of a finished shard.
struct ShardResult {
  Split split = Split::kTest;
  ManifestShard shard;                         ///< samples 0: no job gave a sample and there is no file
  std::map<std::string, std::int64_t> counts;  ///< samples of each class
  std::set<std::string> patients;
  Tally left_out;
  Tally problems;
  Tally notes;
  Statistics statistics;
};

struct ShardRunOptions {
  std::filesystem::path directory;  ///< of the shards
  std::filesystem::path state;      ///< folder of one file for each finished shard, for resumption
  std::size_t threads = 1;
  bool strict = false;
};

/// Cuts the jobs of each split, in their order, into shards of at most `shard_samples` jobs. Pure function.
std::vector<ShardPlan> cut_shards(const std::array<std::vector<std::size_t>, 3>& jobs_of_split,
                                  std::size_t shard_samples);

/// Makes the shards in order; those whose result lies in the state folder and whose file is there are taken over.
/// Workers run on `threads` threads with a bounded number of samples in memory; the result does not depend on their
/// number. Throws Interrupted after a stop signal (finished shards are kept), IoError, and, when strict, InvalidInput
/// for the first problem.
std::vector<ShardResult> run_shards(const std::vector<ShardPlan>& plans, const ShardInfo& info,
                                    const ShardRunOptions& options, const std::function<JobWorker()>& make_worker);

/// The result of one shard in the state folder; nullopt when it is not finished.
std::optional<ShardResult> read_shard_result(const ShardPlan& plan, const ShardRunOptions& options);

}  // namespace pulmo::pipeline
