#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/image/dicom.h"
#include "serving/batcher.h"
#include "serving/isolation/decoder.h"
#include "serving/metrics.h"
#include "serving/model_repository.h"
#include "serving/prediction.h"
#include "serving/served_model.h"
#include "serving/thread_pool.h"
#include "serving/verdict.h"

namespace pulmo::serving {

using Clock = std::chrono::steady_clock;

struct ServiceOptions {
  int workers = 0;                             ///< threads that decode and preprocess; 0: one a core that it may use
  std::size_t capacity = 256;                  ///< slices under way at once, at most, but for those with Room::kOwn
  std::size_t per_request = 32;                ///< of one request; its others wait until these are done
  std::chrono::milliseconds deadline{30'000};  ///< from a slice's turn to the model
  DecodeLimits decode;
  std::shared_ptr<const Decoder> decoder;  ///< where files are decoded; null: in this process
};

/// Threads that `wanted` (ServiceOptions::workers) stands for on this machine.
int worker_count(int wanted);

/// Predicts slices: decodes and preprocesses them on a pool as the model's bundle says, and runs the model in batches;
/// queue and pool are shared by all models. A request of many slices holds room for `per_request` of them, so that a
/// series of a thousand neither fills the queue nor holds up the single slices of others. No HTTP, no JSON.
/// Thread-safe.
class Service {
 public:
  using Done = std::function<void(Answer answer)>;

  /// Both must outlive the service.
  Service(ModelRepository& models, const ServiceOptions& options, Metrics& metrics);
  ~Service();  ///< close()
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Never blocks. `done` is called once, from any thread: at once when there is no room. A model of volumes judges the
  /// slices of one call together (plan_stacks()). When the progress of the
  /// options is cancelled, slices (then stacks) whose turn has not come are left out, and the answer is the failure
  /// "cancelled".
  void predict(std::shared_ptr<ServedModel> model, std::vector<Upload> uploads, const PredictOptions& options,
               Done done);

  /// Runs other work of a request on the pool, after what waits there; `dropped` in its place when the service is
  /// closed before its turn.
  void run(std::function<void()> task, std::function<void()> dropped);

  const ServiceOptions& options() const { return options_; }
  /// Slices that find room in the queue.
  std::size_t capacity() const { return options_.capacity; }
  /// Whether another slice would be taken now.
  bool has_room() const;
  /// Refuses new work and fails with shutting_down what is under way, but for what the model has begun. Idempotent.
  void close();

  /// A job that ended without a result, by its code: nobody is answered with it, so that nothing else counts it.
  void count_failed_job(const std::string& code);

  ModelRepository& models() { return models_; }
  const ModelRepository& models() const { return models_; }
  /// Slices from their arrival to their result.
  std::size_t in_progress() const { return in_progress_.load(); }
  /// Of them, those that take room of the queue, `capacity()` at most.
  std::size_t queue_used() const { return queue_used_.load(); }
  std::size_t queue_depth() const { return models_.queue_depth(); }

 private:
  struct Request;
  struct Slice;

  bool take_room(Room room, std::size_t slices);
  void give_room_back(Room room);
  void go_on(const std::shared_ptr<Request>& request);
  void prepare(const std::shared_ptr<Slice>& slice);
  std::vector<std::uint16_t> decode_and_preprocess(Slice& slice);
  void submit(const std::shared_ptr<Slice>& slice, std::vector<std::uint16_t> pixels);
  void finish(const std::shared_ptr<Slice>& slice, const BatchOutcome& outcome);
  void succeed(Slice& slice, const BatchResult& result);
  void refuse(Slice& slice, const std::string& code, const std::string& message);

  ModelRepository& models_;
  const ServiceOptions options_;
  const std::shared_ptr<const Decoder> decoder_;
  Metrics& metrics_;
  std::atomic<std::size_t> in_progress_{0};
  std::atomic<std::size_t> queue_used_{0};
  ThreadPool pool_;
};

}  // namespace pulmo::serving
