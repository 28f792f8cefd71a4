#include "serving/isolation/worker_pool.h"

#include <algorithm>
#include <utility>

#include "core/support/error.h"
#include "core/support/log.h"

namespace pulmo::serving {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kLook = std::chrono::milliseconds(250);  // how late the death of an idle process may be noticed
constexpr auto kFirstPause = std::chrono::milliseconds(100);
constexpr auto kLongestPause = std::chrono::milliseconds(10'000);

std::chrono::milliseconds pause_after(std::size_t failures) {
  const std::size_t doublings = std::min<std::size_t>(failures, 8) - 1;
  return std::min(kFirstPause * (1 << doublings), kLongestPause);
}

[[noreturn]] void refuse(const char* reason, std::string_view name, const std::string& problem) {
  throw InvalidInput(reason, std::string(name) + ": " + problem);
}

}  // namespace

/// A process while it works. Whatever happens, it goes back to the pool or to its grave.
class WorkerPool::Loan {
 public:
  explicit Loan(WorkerPool& pool) : pool_(pool), worker_(pool.take()) {}
  ~Loan() {
    if (worker_) pool_.give_back(std::move(worker_));
  }
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;

  WorkerProcess& operator*() const { return *worker_; }
  WorkerProcess* operator->() const { return worker_.get(); }
  /// It is gone; says why.
  WorkerEnd bury() {
    const WorkerEnd end = worker_->end();
    pool_.bury(std::move(worker_));
    return end;
  }
  void replace() {
    bury();
    worker_ = pool_.take();
  }

 private:
  WorkerPool& pool_;
  Worker worker_;
};

WorkerPool::WorkerPool(WorkerOptions options, std::size_t processes, OnEnd on_end)
    : options_(std::move(options)), wanted_(processes), on_end_(std::move(on_end)), next_start_(Clock::now()) {
  keeper_ = std::thread([this] { keep(); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return living_ > 0 || failed_starts_ > 0; });
  if (living_ > 0) return;
  const std::string failure = first_failure_;
  stopping_ = true;
  lock.unlock();
  changed_.notify_all();
  keeper_.join();
  throw IoError(failure);
}

// Callers of decode() have returned: every living process is idle.
WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (keeper_.joinable()) keeper_.join();
}

std::size_t WorkerPool::ready() const {
  const std::lock_guard lock(mutex_);
  return living_;
}

DecodedSlice WorkerPool::decode(ByteView file, std::string_view name) {
  if (file.size() > options_.input_bytes) {
    refuse("too_large", name,
           std::to_string(file.size()) + " bytes are more than a decoder takes (" +
               std::to_string(options_.input_bytes) + ")");
  }
  Loan worker(*this);
  // A process that died while it was idle has not seen this file: the next one gets it.
  for (std::size_t tries = 0; !worker->send(file, name); ++tries) {
    if (tries > wanted_) throw DecoderUnavailable("decoder processes end before they are given a file");
    worker.replace();
  }
  const std::optional<DecodeReply> reply = worker->receive(options_.timeout);
  if (!reply) {
    const WorkerEnd end = worker.bury();
    if (end == WorkerEnd::kTimeout) {
      refuse("decoder_timeout", name, "decoding took over " + std::to_string(options_.timeout.count()) + " ms");
    }
    refuse("decoder_failed", name, "the decoder ended on this file: it is damaged, or made to do harm");
  }
  if (reply->cpu_s > static_cast<double>(options_.retire_after.count())) worker->retire();
  if (reply->kind != ReplyKind::kDecoded) worker->tidy(file.size(), 0);
  switch (reply->kind) {
    case ReplyKind::kDecoded: break;
    case ReplyKind::kRefused: throw InvalidInput(get_text(reply->reason), get_text(reply->message));
    case ReplyKind::kNoMemory: refuse("decoder_memory", name, "decoding takes more memory than one file may have");
    default:
      log_error("a decoder met an error of its own");  // its words may hold what the file says
      refuse("decoder_failed", name, "the file cannot be decoded");
  }
  const std::uint64_t room = static_cast<std::uint64_t>(options_.limits.max_pixels) * sizeof(float);
  DecodedSlice decoded = [&] {
    try {
      return restore(*reply, worker->pixels(), room, options_.limits);
    } catch (const InvalidInput&) {  // an answer that no decoder gives: the file has taken the process over
      worker.bury();
      throw;
    }
  }();
  worker->tidy(file.size(), decoded.slice.pixels.total() * sizeof(float));
  return decoded;
}

WorkerPool::Worker WorkerPool::take() {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, options_.timeout, [this] { return !idle_.empty() || stopping_; }) || idle_.empty()) {
    throw DecoderUnavailable("no decoder process is free");
  }
  Worker worker = std::move(idle_.back());
  idle_.pop_back();
  return worker;
}

void WorkerPool::give_back(Worker worker) {
  if (worker->retiring()) {
    worker->end();
    bury(std::move(worker));
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(worker));
  }
  changed_.notify_all();
}

/// Counts an ended process and lets the keeper replace it.
void WorkerPool::bury(Worker worker) {
  const WorkerEnd end = worker->end();
  worker.reset();
  if (on_end_) on_end_(end);
  if (end != WorkerEnd::kRetired) log_warning("a decoder process ended", {{"reason", to_string(end)}});
  {
    const std::lock_guard lock(mutex_);
    --living_;
  }
  changed_.notify_all();
}

void WorkerPool::keep() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    try {
      keep_once(lock);
    } catch (const std::exception& error) {
      if (!lock.owns_lock()) lock.lock();
      log_error("keeper of the decoder processes", {{"error", error.what()}});
    }
  }
  idle_.clear();  // on this thread, with which they would end anyway
}

void WorkerPool::keep_once(std::unique_lock<std::mutex>& lock) {
  find_dead(lock);
  if (living_ < wanted_ && Clock::now() >= next_start_) {
    start_one(lock);
    return;
  }
  changed_.wait_for(lock, kLook, [this] { return stopping_ || (living_ < wanted_ && Clock::now() >= next_start_); });
}

/// Idle processes that were killed from elsewhere.
void WorkerPool::find_dead(std::unique_lock<std::mutex>& lock) {
  const auto dead = std::find_if(idle_.begin(), idle_.end(), [](const Worker& worker) { return !worker->running(); });
  if (dead == idle_.end()) return;
  Worker worker = std::move(*dead);
  idle_.erase(dead);
  lock.unlock();
  bury(std::move(worker));
  lock.lock();
}

void WorkerPool::start_one(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  Worker worker;
  std::string failure;
  try {
    worker = std::make_unique<WorkerProcess>(options_);
    if (!worker->wait_until_ready(options_.start_timeout)) {
      failure = std::string("a decoder process (") + options_.program.string() +
                ") did not start: " + to_string(worker->end()) +
                "; run it by hand to see why, or set decode.isolation=none";
      worker.reset();
    }
  } catch (const std::exception& error) {
    failure = error.what();
  }
  lock.lock();
  if (worker) {
    failed_starts_ = 0;
    ++living_;
    idle_.push_back(std::move(worker));
  } else {
    ++failed_starts_;
    if (failed_starts_ == 1) first_failure_ = failure;
    const auto pause = pause_after(failed_starts_);
    next_start_ = Clock::now() + pause;
    log_error("a decoder process did not start", {{"error", failure}, {"next_try_ms", std::to_string(pause.count())}});
  }
  changed_.notify_all();
}

}  // namespace pulmo::serving
