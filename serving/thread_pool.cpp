#include "serving/thread_pool.h"

#include <utility>

namespace pulmo::serving {

ThreadPool::ThreadPool(int threads, std::function<void()> begin) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this, begin] {
      if (begin) begin();
      run();
    });
  }
}

ThreadPool::~ThreadPool() {
  close();
}

bool ThreadPool::submit(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
  return true;
}

void ThreadPool::close() {
  std::deque<std::function<void()>> dropped;  // destroyed without the lock: a task's end may answer a client
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(tasks_);
    threads.swap(threads_);
  }
  changed_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

void ThreadPool::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return closed_ || !tasks_.empty(); });
    if (closed_) return;
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;  // what it holds must not live on while this thread waits
    lock.lock();
  }
}

}  // namespace pulmo::serving
