#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "serving/prediction.h"

namespace pulmo::serving {

struct JobOptions {
  std::size_t most = 64;                                   ///< jobs known at once: waiting, running or kept
  std::size_t at_once = 2;                                 ///< running; the others wait their turn
  std::chrono::seconds keep{600};                          ///< an ended job is known for so long
  std::uint64_t result_bytes = std::uint64_t{256} << 20U;  ///< of all results kept; the oldest go first
};

enum class JobState { kQueued, kRunning, kDone, kFailed, kCancelled };
const char* to_string(JobState state);

/// Why a job has no result: code of reasons.h and a sentence.
struct JobError {
  std::string code;
  std::string message;
};

/// What a client learns of a job.
struct JobStatus {
  std::string id;
  JobState state = JobState::kQueued;
  std::size_t done = 0;                       ///< slices with an outcome
  std::size_t total = 0;                      ///< slices
  std::shared_ptr<const std::string> result;  ///< of a job that is done: a JSON document
  std::optional<JobError> error;              ///< of a job that failed
};

/// The long work of clients that ask for the result later. Ids have 128 random bits: who knows one may read and cancel
/// that job. Thread-safe.
class Jobs {
 public:
  explicit Jobs(const JobOptions& options);
  ~Jobs();  ///< close()
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  /// A new job; `start` begins its work when its turn comes, from any thread, and is dropped uncalled when the job is
  /// cancelled before. The work tells its progress there and stops when that is cancelled. nullopt when the most are
  /// known and none of them has ended (else the one that ended first makes room), or after close().
  std::optional<JobStatus> add(std::shared_ptr<Progress> progress, std::function<void(const std::string& id)> start);
  /// The end, which all work that was begun must come to, cancelled or not: until then it holds its turn. Only the
  /// first counts, and none after a cancellation. False when a result is over the bound, so that the job has failed
  /// with too_large.
  bool finish(const std::string& id, std::string result);
  void fail(const std::string& id, JobError error);

  /// nullopt for an unknown (or forgotten) job. A look at an ended job counts as fetching it.
  std::optional<JobStatus> find(const std::string& id);
  /// Stops a job, or forgets one that has ended; its last status. nullopt for an unknown job.
  std::optional<JobStatus> cancel(const std::string& id);

  /// After drain() or close().
  bool closed() const;
  /// Jobs that have not ended.
  std::size_t running() const;
  std::uint64_t result_bytes() const;

  /// No new jobs; waits until all have ended and each result was fetched or has waited `patience`, at most until
  /// `deadline`. False when the deadline came first.
  bool drain(std::chrono::milliseconds patience, std::chrono::steady_clock::time_point deadline);
  /// Fails what runs with shutting_down, and takes no more. Idempotent.
  void close();

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Job {
    JobStatus status;
    std::shared_ptr<Progress> progress;
    std::function<void(const std::string&)> start;  ///< until its turn comes
    TimePoint ended;
    bool fetched = false;
    bool has_ended() const { return status.state >= JobState::kDone; }
  };
  using Table = std::map<std::string, Job>;

  void start_waiting();
  bool end(const std::string& id, JobState state, std::shared_ptr<const std::string> result,
           std::optional<JobError> error);
  Table::iterator oldest_ended();
  void drop(Table::iterator job);
  static JobStatus status_of(const Job& job);
  void shrink_results();
  void sweep(std::stop_token stopping);

  const JobOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  Table jobs_;
  std::deque<std::string> waiting_;  ///< ids, the first come first
  std::size_t working_ = 0;          ///< works begun that have not come to their end
  std::uint64_t result_bytes_ = 0;
  bool closed_ = false;
  std::jthread sweeper_;  ///< forgets what was kept long enough; last, so that it ends first
};

}  // namespace pulmo::serving
