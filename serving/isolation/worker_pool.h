#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "serving/isolation/worker_process.h"

namespace pulmo::serving {

/// No decoder process could be had: they are all busy, or do not start.
class DecoderUnavailable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A fixed number of decoder processes. One that ends is replaced by a thread of the pool, at once, or after a growing
/// pause while new ones do not even start. Thread-safe.
class WorkerPool {
 public:
  /// Told of every process that had to be replaced, from any thread.
  using OnEnd = std::function<void(WorkerEnd end)>;

  /// Returns when the first process is ready; the others follow. Throws IoError when it does not get so far.
  WorkerPool(WorkerOptions options, std::size_t processes, OnEnd on_end);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Decodes `file` in one of the processes. A crash, a runaway or a lack of memory there is InvalidInput
  /// (decoder_failed, decoder_timeout, decoder_memory) of this file alone. Throws DecoderUnavailable after waiting
  /// `timeout` for a process, and what decoding throws.
  DecodedSlice decode(ByteView file, std::string_view name);

  std::size_t ready() const;  ///< processes that live and are not being started

 private:
  using Worker = std::unique_ptr<WorkerProcess>;
  class Loan;

  Worker take();
  void give_back(Worker worker);
  void bury(Worker worker);
  void keep();
  void keep_once(std::unique_lock<std::mutex>& lock);
  void start_one(std::unique_lock<std::mutex>& lock);
  void find_dead(std::unique_lock<std::mutex>& lock);

  const WorkerOptions options_;
  const std::size_t wanted_;
  const OnEnd on_end_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Worker> idle_;       ///< the last one worked last: its caches are warm
  std::size_t living_ = 0;         ///< idle or at work
  std::size_t failed_starts_ = 0;  ///< in a row
  std::chrono::steady_clock::time_point next_start_;
  std::string first_failure_;
  bool stopping_ = false;
  std::thread keeper_;
};

}  // namespace pulmo::serving
