#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace pulmo::serving {

/// A fixed number of threads and one queue. The caller bounds what it submits. Thread-safe.
class ThreadPool {
 public:
  /// `begin` is called first on each thread.
  explicit ThreadPool(int threads, std::function<void()> begin = {});
  ~ThreadPool();  ///< close()
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// False, and the task dropped, after close(). The task must not throw.
  bool submit(std::function<void()> task);
  /// Drops the tasks that wait and joins the threads. Idempotent.
  void close();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace pulmo::serving
