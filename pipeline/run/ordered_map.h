#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/support/error.h"

namespace pulmo::pipeline {

/// Computes results for 0..count-1 on several threads and hands them out in order, with a bounded number of them
/// waiting: the order does not depend on the number of threads.
template <typename Result>
class OrderedMap {
 public:
  /// Results that may wait beside a few for each thread, because the consumer may be kept by a disk.
  static constexpr std::size_t kSpare = 64;
  static constexpr std::size_t window(std::size_t threads, std::size_t spare) {
    return 4 * std::max<std::size_t>(threads, 1) + spare;
  }

  /// Each thread calls `make_worker()` once and then worker(index) -> Result for the indices that it draws. Throws
  /// IoError where the system has no more threads.
  template <typename MakeWorker>
  OrderedMap(std::size_t count, std::size_t threads, const MakeWorker& make_worker, std::size_t spare = kSpare)
      : count_(count), slots_(window(threads, spare)) {
    const std::size_t wanted = std::min(std::max<std::size_t>(threads, 1), std::max<std::size_t>(count, 1));
    try {
      while (threads_.size() < wanted) threads_.emplace_back([this, &make_worker] { serve(make_worker); });
    } catch (const std::system_error& error) {
      stop();
      throw IoError("cannot start thread " + std::to_string(threads_.size() + 1) + " of " + std::to_string(wanted) +
                    ": " + error.what() + "; ask for fewer with --threads");
    }
  }

  /// Stops early when results are left: indices not begun are never computed.
  ~OrderedMap() { stop(); }
  OrderedMap(const OrderedMap&) = delete;
  OrderedMap& operator=(const OrderedMap&) = delete;

  /// The next result in order; call `count` times. Throws what the worker threw at that index.
  Result next() {
    std::unique_lock lock(mutex_);
    Slot& slot = slots_[handed_out_ % slots_.size()];
    while (!filled_.wait_for(lock, kLongestSleep, [&] { return slot.ready; })) {
    }
    ++handed_out_;
    Slot taken = std::exchange(slot, Slot{});
    lock.unlock();
    space_.notify_all();
    if (taken.error) std::rethrow_exception(taken.error);
    return std::move(*taken.result);
  }

 private:
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    space_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  static constexpr std::chrono::milliseconds kLongestSleep{
      20};  // of the consumer, while results that it waits for come

  struct Slot {
    bool ready = false;
    std::optional<Result> result;
    std::exception_ptr error;
  };

  template <typename MakeWorker>
  void serve(const MakeWorker& make_worker) {
    auto worker = make_worker();
    for (;;) {
      std::size_t index = 0;
      {
        std::unique_lock lock(mutex_);
        space_.wait(lock, [&] { return stopped_ || drawn_ >= count_ || drawn_ < handed_out_ + slots_.size(); });
        if (stopped_ || drawn_ >= count_) return;
        index = drawn_++;
      }
      Slot done;
      try {
        done.result = worker(index);
      } catch (...) {
        done.error = std::current_exception();
      }
      done.ready = true;
      {
        const std::lock_guard lock(mutex_);
        slots_[index % slots_.size()] = std::move(done);
        ++finished_;
        // Waking a thread costs as much as some results do: the consumer is woken when several are there.
        if (finished_ < handed_out_ + slots_.size() / 4 && drawn_ < count_) continue;
      }
      filled_.notify_one();
    }
  }

  std::size_t count_;
  std::vector<Slot> slots_;
  std::mutex mutex_;
  std::condition_variable space_;
  std::condition_variable filled_;
  std::size_t drawn_ = 0;
  std::size_t finished_ = 0;
  std::size_t handed_out_ = 0;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

/// consume(index, result) for every index in order, on the calling thread. `make_worker` and `spare` as above.
template <typename Result, typename MakeWorker, typename Consume>
void ordered_for_each(std::size_t count, std::size_t threads, const MakeWorker& make_worker, Consume&& consume,
                      std::size_t spare = OrderedMap<Result>::kSpare) {
  OrderedMap<Result> results(count, threads, make_worker, spare);
  for (std::size_t i = 0; i < count; ++i) consume(i, results.next());
}

}  // namespace pulmo::pipeline
