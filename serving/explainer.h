#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "serving/explain_slices.h"

namespace pulmo::serving {

struct ExplainOptions {
  int threads = 1;                             ///< explanations made at once
  std::size_t queue = 16;                      ///< waiting, at most
  std::chrono::milliseconds deadline{30'000};  ///< from the request's arrival to its explanation
  OcclusionOptions occlusion;
};

/// Explains requests one by one, each of a slice or a stack, on threads of its own and at low priority, so that
/// explanations, which cost many times a prediction, never hold up predictions. No HTTP, no JSON. Thread-safe.
class Explainer {
 public:
  using Done = std::function<void(Answer answer)>;

  /// `metrics` must outlive it.
  Explainer(const ExplainOptions& options, std::shared_ptr<const Decoder> decoder, Metrics& metrics);
  ~Explainer();  ///< close()
  Explainer(const Explainer&) = delete;
  Explainer& operator=(const Explainer&) = delete;

  /// Never blocks. `done` is called once, from any thread, with what explain_slices() says; at once when the queue is
  /// full.
  void explain(std::shared_ptr<ServedModel> model, std::vector<Upload> uploads, ExplainMethod method, Done done);

  bool has_room() const;
  /// Waiting and being made.
  std::size_t in_progress() const;
  /// Fails what waits, and waits for what is being made, which stops at its next step. Idempotent.
  void close();

 private:
  struct Task {
    std::shared_ptr<ServedModel> model;
    std::vector<Upload> uploads;
    ExplainMethod method;
    std::chrono::steady_clock::time_point deadline;
    Done done;
  };

  void run();
  Answer answer_to(Task& task);
  bool keeps_on(const Task& task) const;

  const ExplainOptions options_;
  const std::shared_ptr<const Decoder> decoder_;
  Metrics& metrics_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> queue_;
  std::size_t running_ = 0;
  std::atomic<bool> closed_{false};
  std::vector<std::thread> threads_;
};

}  // namespace pulmo::serving
