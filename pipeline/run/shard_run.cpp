#include "pipeline/run/shard_run.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <utility>

#include "core/support/atomic_file.h"
#include "core/support/digest.h"
#include "core/support/error.h"
#include "pipeline/run/ordered_map.h"
#include "pipeline/run/progress.h"
#include "pipeline/run/shard_state.h"
#include "pipeline/run/stop_signal.h"

namespace pulmo::pipeline {
namespace {

namespace fs = std::filesystem;

/// Writes one shard and its result.
class ShardInProgress {
 public:
  ShardInProgress(const ShardPlan& plan, const ShardInfo& info, const ShardRunOptions& options)
      : info_(info), options_(options) {
    result_.split = plan.split;
    result_.shard.file = plan.file;
    for (const std::string& name : info.class_names) result_.counts[name] = 0;
  }

  void add(JobOutcome outcome) {
    if (options_.strict) refuse_first_problem(outcome.problems);
    result_.left_out.merge(outcome.left_out);
    result_.problems.merge(outcome.problems);
    result_.notes.merge(outcome.notes);
    result_.statistics.merge(outcome.statistics);
    if (!outcome.sample) return;
    if (!writer_) writer_ = std::make_unique<ShardWriter>(options_.directory / result_.shard.file, info_);
    writer_->append(*outcome.sample);
    ++result_.shard.samples;
    ++result_.counts[info_.class_names[outcome.sample->label]];
    result_.patients.insert(outcome.sample->patient);
  }

  /// Call it once, and nothing after it. What takes long, the digest and the disk, is done on a thread of its own, so
  /// that the workers are not kept waiting.
  std::future<ShardResult> finish() {
    std::unique_ptr<AtomicFile> file = writer_ ? writer_->close() : nullptr;
    writer_.reset();
    return std::async(std::launch::async, [file = std::move(file), path = options_.directory / result_.shard.file,
                                           state = options_.state, result = std::move(result_)]() mutable {
      if (file) {
        file->begin_flush();
        result.shard.sha256 = sha256_file(file->temp_path());
        file->commit();
      } else {
        fs::remove(path);  // a file of that name can only be left from a run that was killed
      }
      write_shard_state(state, result);
      return std::move(result);
    });
  }

 private:
  static void refuse_first_problem(const Tally& problems) {
    for (const auto& [reason, entry] : problems.entries()) {
      throw InvalidInput(reason, entry.examples.empty() ? reason : entry.examples.front());
    }
  }

  const ShardInfo& info_;
  const ShardRunOptions& options_;
  ShardResult result_;
  std::unique_ptr<ShardWriter> writer_;
};

/// Files that a killed run left half-written under the name of one of our shards, or of what is written at the end.
void remove_leftovers(const std::vector<ShardPlan>& plans, const ShardRunOptions& options) {
  std::set<std::string> ours{"manifest.yaml", "report.yaml", "report.html", "split.csv"};
  for (const ShardPlan& plan : plans) ours.insert(plan.file);
  remove_abandoned(options.directory, ours);
}

/// How many results may wait for the disk: 32 MiB of them, which is a tenth of a second's work of a few cores.
std::size_t spare_results(const ShardInfo& info) {
  constexpr std::int64_t kSpareBytes = std::int64_t{32} << 20U;
  const std::int64_t sample_bytes = info.shape.elements() * 4;  // image and two masks
  return static_cast<std::size_t>(
      std::clamp<std::int64_t>(kSpareBytes / sample_bytes, 4, OrderedMap<JobOutcome>::kSpare));
}

}  // namespace

std::vector<ShardPlan> cut_shards(const std::array<std::vector<std::size_t>, 3>& jobs_of_split,
                                  std::size_t shard_samples) {
  std::vector<ShardPlan> plans;
  for (const Split split : kSplits) {
    const auto& jobs = jobs_of_split[static_cast<std::size_t>(split)];
    for (std::size_t begin = 0; begin < jobs.size(); begin += shard_samples) {
      const std::size_t end = std::min(jobs.size(), begin + shard_samples);
      std::string number = std::to_string(begin / shard_samples);
      number.insert(0, number.size() < 5 ? 5 - number.size() : 0, '0');
      plans.push_back(
          {split,
           std::string(to_string(split)) + "-" + number + ".h5",
           {jobs.begin() + static_cast<std::ptrdiff_t>(begin), jobs.begin() + static_cast<std::ptrdiff_t>(end)}});
    }
  }
  return plans;
}

std::optional<ShardResult> read_shard_result(const ShardPlan& plan, const ShardRunOptions& options) {
  auto result = read_shard_state(options.state, plan.file);
  if (!result) return std::nullopt;
  result->split = plan.split;
  if (result->shard.samples > 0 && !fs::exists(options.directory / plan.file)) return std::nullopt;
  return result;
}

std::vector<ShardResult> run_shards(const std::vector<ShardPlan>& plans, const ShardInfo& info,
                                    const ShardRunOptions& options, const std::function<JobWorker()>& make_worker) {
  remove_leftovers(plans, options);
  std::vector<std::optional<ShardResult>> results;
  std::vector<std::pair<std::size_t, std::size_t>> queue;  // plan, job
  std::int64_t total = 0;
  std::int64_t taken_over = 0;
  for (std::size_t p = 0; p < plans.size(); ++p) {
    results.push_back(read_shard_result(plans[p], options));
    total += static_cast<std::int64_t>(plans[p].jobs.size());
    if (results.back()) {
      taken_over += static_cast<std::int64_t>(plans[p].jobs.size());
      continue;
    }
    for (const std::size_t job : plans[p].jobs) queue.emplace_back(p, job);
  }
  Progress progress("prepare", "samples", total);
  if (taken_over > 0) progress.advance(taken_over, true);
  const auto make_queue_worker = [&] {
    return [&queue, worker = make_worker()](std::size_t i) { return worker(queue[i].second); };
  };
  std::unique_ptr<ShardInProgress> shard;
  std::pair<std::size_t, std::future<ShardResult>> closing;  // one at a time: the next one waits for it
  const auto close_last = [&] {
    if (closing.second.valid()) results[closing.first] = closing.second.get();
  };
  const auto is_closed = [&] {
    return closing.second.valid() && closing.second.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  };
  ordered_for_each<JobOutcome>(
      queue.size(), options.threads, make_queue_worker,
      [&](std::size_t i, JobOutcome done) {
        throw_if_stopped("finished shards are kept, the same command continues there");
        if (is_closed()) close_last();  // a full disk ends the run here, not a shard later
        const std::size_t p = queue[i].first;
        if (!shard) shard = std::make_unique<ShardInProgress>(plans[p], info, options);
        shard->add(std::move(done));
        progress.advance();
        if (i + 1 < queue.size() && queue[i + 1].first == p) return;
        close_last();
        closing = {p, shard->finish()};
        shard.reset();
      },
      spare_results(info));
  close_last();
  std::vector<ShardResult> finished;
  finished.reserve(results.size());
  for (auto& result : results) finished.push_back(std::move(*result));
  return finished;
}

}  // namespace pulmo::pipeline
