#include "serving/jobs.h"

#include <algorithm>
#include <array>
#include <random>
#include <utility>
#include <vector>

namespace pulmo::serving {
namespace {

std::string random_id() {
  std::random_device entropy;  // the kernel's generator
  std::string id;
  for (int word = 0; word < 4; ++word) {
    std::uint32_t bits = entropy();
    for (int digit = 0; digit < 8; ++digit, bits >>= 4U) id += "0123456789abcdef"[bits & 15U];
  }
  return id;
}

}  // namespace

const char* to_string(JobState state) {
  static constexpr std::array<const char*, 5> kNames{"queued", "running", "done", "failed", "cancelled"};
  return kNames.at(static_cast<std::size_t>(state));
}

Jobs::Jobs(const JobOptions& options)
    : options_(options), sweeper_([this](std::stop_token stopping) { sweep(std::move(stopping)); }) {}

Jobs::~Jobs() {
  close();
}

std::optional<JobStatus> Jobs::add(std::shared_ptr<Progress> progress,
                                   std::function<void(const std::string& id)> start) {
  std::optional<JobStatus> status;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return std::nullopt;
    if (jobs_.size() >= options_.most) {
      const auto oldest = oldest_ended();
      if (oldest == jobs_.end()) return std::nullopt;
      drop(oldest);
    }
    Job job;
    job.status.id = random_id();
    job.progress = std::move(progress);
    job.start = std::move(start);
    status = status_of(job);
    waiting_.push_back(job.status.id);
    jobs_.emplace(job.status.id, std::move(job));
  }
  start_waiting();
  return status;
}

/// Begins what waits, as far as there is a turn.
void Jobs::start_waiting() {
  while (true) {
    std::function<void(const std::string&)> start;
    std::string id;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty() || working_ >= options_.at_once) return;
      id = std::move(waiting_.front());
      waiting_.pop_front();
      const auto found = jobs_.find(id);
      if (found == jobs_.end() || found->second.status.state != JobState::kQueued) continue;
      found->second.status.state = JobState::kRunning;
      start.swap(found->second.start);
      ++working_;
    }
    start(id);
  }
}

bool Jobs::finish(const std::string& id, std::string result) {
  if (result.size() > options_.result_bytes) {
    const JobError error{"too_large", "the result is over the limit of " + std::to_string(options_.result_bytes) +
                                          " bytes: ask for fewer slices, or without preview"};
    return !end(id, JobState::kFailed, nullptr, error);
  }
  end(id, JobState::kDone, std::make_shared<const std::string>(std::move(result)), std::nullopt);
  return true;
}

void Jobs::fail(const std::string& id, JobError error) {
  end(id, JobState::kFailed, nullptr, std::move(error));
}

/// Whether it counted.
bool Jobs::end(const std::string& id, JobState state, std::shared_ptr<const std::string> result,
               std::optional<JobError> error) {
  bool counts = false;
  {
    const std::lock_guard lock(mutex_);
    --working_;
    const auto found = jobs_.find(id);
    counts = found != jobs_.end() && !found->second.has_ended();
    if (counts) {
      Job& job = found->second;
      job.status.state = state;
      job.status.result = std::move(result);
      job.status.error = std::move(error);
      job.ended = std::chrono::steady_clock::now();
      if (job.status.result) result_bytes_ += job.status.result->size();
      shrink_results();
    }
  }
  changed_.notify_all();
  start_waiting();
  return counts;
}

std::optional<JobStatus> Jobs::find(const std::string& id) {
  std::optional<JobStatus> status;
  {
    const std::lock_guard lock(mutex_);
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return std::nullopt;
    found->second.fetched = found->second.has_ended();
    status = status_of(found->second);
  }
  changed_.notify_all();
  return status;
}

std::optional<JobStatus> Jobs::cancel(const std::string& id) {
  std::optional<JobStatus> status;
  std::function<void(const std::string&)> never;  // what it holds goes without the lock
  {
    const std::lock_guard lock(mutex_);
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return std::nullopt;
    Job& job = found->second;
    if (job.has_ended()) {
      status = status_of(job);
      drop(found);
    } else {
      job.progress->cancelled = true;
      job.status.state = JobState::kCancelled;
      job.ended = std::chrono::steady_clock::now();
      job.fetched = true;
      never.swap(job.start);
      status = status_of(job);
    }
  }
  changed_.notify_all();
  start_waiting();
  return status;
}

bool Jobs::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

std::size_t Jobs::running() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::count_if(jobs_.begin(), jobs_.end(), [](const auto& entry) { return !entry.second.has_ended(); }));
}

std::uint64_t Jobs::result_bytes() const {
  const std::lock_guard lock(mutex_);
  return result_bytes_;
}

bool Jobs::drain(std::chrono::milliseconds patience, TimePoint deadline) {
  std::unique_lock lock(mutex_);
  closed_ = true;
  while (true) {
    const TimePoint now = std::chrono::steady_clock::now();
    TimePoint next = TimePoint::min();  // when to look again; min: nothing to wait for
    for (const auto& [id, job] : jobs_) {
      if (!job.has_ended()) next = std::max(next, deadline);
      if (job.has_ended() && !job.fetched && job.ended + patience > now) next = std::max(next, job.ended + patience);
    }
    if (next == TimePoint::min()) return true;
    if (now >= deadline) return false;
    changed_.wait_until(lock, std::min(next, deadline));
  }
}

void Jobs::close() {
  std::vector<std::function<void(const std::string&)>> never;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (auto& [id, job] : jobs_) {
      if (job.has_ended()) continue;
      job.progress->cancelled = true;
      job.status.state = JobState::kFailed;
      job.status.error = JobError{"shutting_down", "the server is shutting down: send it again"};
      job.ended = std::chrono::steady_clock::now();
      never.push_back(std::exchange(job.start, nullptr));
    }
    waiting_.clear();
  }
  changed_.notify_all();
}

JobStatus Jobs::status_of(const Job& job) {
  JobStatus status = job.status;
  status.done = job.progress->done;
  status.total = job.progress->total;
  return status;
}

Jobs::Table::iterator Jobs::oldest_ended() {
  auto oldest = jobs_.end();
  for (auto job = jobs_.begin(); job != jobs_.end(); ++job) {
    if (job->second.has_ended() && (oldest == jobs_.end() || job->second.ended < oldest->second.ended)) oldest = job;
  }
  return oldest;
}

void Jobs::drop(Table::iterator job) {
  if (job->second.status.result) result_bytes_ -= job->second.status.result->size();
  jobs_.erase(job);
}

void Jobs::shrink_results() {
  while (result_bytes_ > options_.result_bytes) drop(oldest_ended());
}

void Jobs::sweep(std::stop_token stopping) {
  std::unique_lock lock(mutex_);
  while (!stopping.stop_requested()) {
    const auto oldest = oldest_ended();
    if (oldest == jobs_.end()) {
      changed_.wait(lock, stopping, [this] { return oldest_ended() != jobs_.end(); });
    } else if (const TimePoint over = oldest->second.ended + options_.keep; over > std::chrono::steady_clock::now()) {
      changed_.wait_until(lock, stopping, over, [] { return false; });
    } else {
      drop(oldest);
    }
  }
}

}  // namespace pulmo::serving
