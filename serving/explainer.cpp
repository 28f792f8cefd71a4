#include "serving/explainer.h"

#include <exception>
#include <utility>

#include "core/support/log.h"
#include "serving/isolation/priority.h"

namespace pulmo::serving {
namespace {

using Clock = std::chrono::steady_clock;

ServiceFailure shutting_down() {
  return {"shutting_down", "the server is shutting down"};
}

ServiceFailure too_late() {
  return {"deadline", "the server is busy: the explanation took too long; try again"};
}

}  // namespace

Explainer::Explainer(const ExplainOptions& options, std::shared_ptr<const Decoder> decoder, Metrics& metrics)
    : options_(options), decoder_(std::move(decoder)), metrics_(metrics) {
  for (int i = 0; i < options.threads; ++i) threads_.emplace_back([this] { run(); });
}

Explainer::~Explainer() {
  close();
}

void Explainer::explain(std::shared_ptr<ServedModel> model, std::vector<Upload> uploads, ExplainMethod method,
                        Done done) {
  std::unique_lock lock(mutex_);
  if (!closed_ && queue_.size() < options_.queue) {
    queue_.push_back({std::move(model), std::move(uploads), method, Clock::now() + options_.deadline, std::move(done)});
    lock.unlock();
    changed_.notify_one();
    return;
  }
  const bool closed = closed_;
  lock.unlock();
  done(closed ? shutting_down() : ServiceFailure{"queue_full", "the server is busy explaining: try again in a moment"});
}

bool Explainer::has_room() const {
  const std::lock_guard lock(mutex_);
  return queue_.size() < options_.queue;
}

std::size_t Explainer::in_progress() const {
  const std::lock_guard lock(mutex_);
  return queue_.size() + running_;
}

void Explainer::close() {
  std::deque<Task> abandoned;
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    abandoned.swap(queue_);
    threads.swap(threads_);
  }
  changed_.notify_all();
  for (Task& task : abandoned) task.done(shutting_down());
  for (std::thread& thread : threads) thread.join();
}

void Explainer::run() {
  lower_priority(kExplanationNiceness);  // and of LibTorch's threads, which it starts
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return closed_ || !queue_.empty(); });
    if (closed_) return;
    Task task = std::move(queue_.front());
    queue_.pop_front();
    ++running_;
    lock.unlock();
    Answer answer = answer_to(task);
    lock.lock();
    --running_;  // the room is free before the client hears of it
    lock.unlock();
    task.done(std::move(answer));
    task = {};
    lock.lock();
  }
}

bool Explainer::keeps_on(const Task& task) const {
  return !closed_ && Clock::now() <= task.deadline;
}

Answer Explainer::answer_to(Task& task) {
  try {
    const ExplainTools tools{*decoder_, options_.occlusion, metrics_, [&] { return keeps_on(task); }};
    auto answer = explain_slices(*task.model, std::move(task.uploads), task.method, tools);
    if (answer) return std::move(*answer);
    return closed_ ? shutting_down() : too_late();
  } catch (const DecoderUnavailable& error) {
    log_error("a slice could not be decoded", {{"error", error.what()}});
    return ServiceFailure{"decoder_unavailable", "the server cannot decode pictures at the moment: try again"};
  } catch (const std::exception& error) {
    log_error("a slice could not be explained", {{"error", error.what()}});
    return ServiceFailure{"internal", "internal error: see the server's log"};
  }
}

}  // namespace pulmo::serving
