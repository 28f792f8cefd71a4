#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

#include "core/model/explain.h"
#include "serving/isolation/decoder.h"
#include "serving/metrics.h"
#include "serving/prediction.h"
#include "serving/served_model.h"

namespace pulmo::serving {

struct ExplainOptions {
  int threads = 1;                             ///< explanations made at once
  std::size_t queue = 16;                      ///< waiting, at most
  std::chrono::milliseconds deadline{30'000};  ///< from the request's arrival to its explanation
  OcclusionOptions occlusion;
};

enum class ExplainMethod {
  kAuto,  ///< Grad-CAM where the model averages its maps, else integrated gradients; without gradients occlusion
  kGradCam,
  kIntegratedGradients,
  kOcclusion,
};

/// "auto", "grad_cam", "integrated_gradients" or "occlusion"; nullopt for anything else.
std::optional<ExplainMethod> parse_explain_method(std::string_view name);

/// Explains slices one by one, on threads of its own and at low priority, so that explanations, which cost many times
/// a prediction, never hold up predictions. No HTTP, no JSON. Thread-safe.
class Explainer {
 public:
  using Outcome = std::variant<Prediction, SliceFailure, ServiceFailure>;
  using Done = std::function<void(Outcome outcome)>;

  /// `metrics` must outlive it.
  Explainer(const ExplainOptions& options, std::shared_ptr<const Decoder> decoder, Metrics& metrics);
  ~Explainer();  ///< close()
  Explainer(const Explainer&) = delete;
  Explainer& operator=(const Explainer&) = delete;

  /// Never blocks. `done` is called once, from any thread; at once when the queue is full. kGradCam and
  /// kIntegratedGradients on a model without gradients are refused with no_gradients.
  void explain(std::shared_ptr<ServedModel> model, Upload upload, ExplainMethod method, Done done);

  bool has_room() const;
  /// Waiting and being made.
  std::size_t in_progress() const;
  /// Fails what waits, and waits for what is being made, which stops at its next step. Idempotent.
  void close();

 private:
  struct Task {
    std::shared_ptr<ServedModel> model;
    Upload upload;
    ExplainMethod method;
    std::chrono::steady_clock::time_point deadline;
    Done done;
  };
  struct Heat {
    cv::Mat map;
    const char* method;
  };

  void run();
  Outcome outcome_of(Task& task);
  Outcome make(Task& task, SlicePlace& place);
  std::optional<Heat> heat_of(const Task& task, const PreprocessedSlice& ready, const ImageBatch& image,
                              std::size_t k) const;
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
