#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/image/dicom.h"
#include "core/image/input_statistics.h"
#include "core/model/bundle_metadata.h"
#include "core/support/bytes.h"
#include "serving/batcher.h"
#include "serving/metrics.h"
#include "serving/model_repository.h"
#include "serving/served_model.h"
#include "serving/thread_pool.h"

namespace pulmo::serving {

using Clock = std::chrono::steady_clock;

struct ServiceOptions {
  int workers = 0;                             ///< threads that decode and preprocess; 0: one a core
  std::size_t capacity = 256;                  ///< slices under way at once, at most
  std::chrono::milliseconds deadline{30'000};  ///< from arrival to the model
  DecodeLimits decode;
};

/// One uploaded file, or one sample that needs no preparation.
struct Upload {
  std::string name;  ///< shown back to the client, never logged
  Bytes data;
  std::vector<std::uint16_t> sample{};  ///< unless empty, in place of `data`: C*S*S values, as preprocess() makes them
};

struct SliceTimes {
  double decode_s = 0.0;
  double preprocess_s = 0.0;
  double queue_s = 0.0;
  double infer_s = 0.0;
};

struct Prediction {
  std::string name;
  PixelKind kind = PixelKind::kHounsfield;
  std::string class_name;             ///< see choose_class()
  std::vector<double> probabilities;  ///< K, in the order of the model's classes
  double lung_fraction = 0.0;
  InputStatistics input;              ///< of the picture as the model gets it
  bool unusual = false;               ///< the input lies outside of what the model was validated on; a warning says how
  std::vector<std::string> warnings;  ///< for people
  SliceTimes times;
  Bytes preview_png;  ///< when asked for: the preprocessed picture, as the model sees it
  Bytes picture_png;  ///< when asked for, of DICOM: the slice in the model's window, 512 pixels a side at most
};

/// The file is at fault.
struct SliceFailure {
  std::string name;
  std::string code;     ///< of reasons.h
  std::string message;  ///< may hold the file's name: never logged
};

using SliceOutcome = std::variant<Prediction, SliceFailure>;

/// The server is at fault, or busy: code of reasons.h and a sentence.
struct ServiceFailure {
  std::string code;
  std::string message;
};

/// One outcome per upload, in order; or why there are none.
using Answer = std::variant<std::vector<SliceOutcome>, ServiceFailure>;

struct PredictOptions {
  bool preview = false;
};

/// The positive class when its probability reaches the operating threshold, else the most probable of the others; the
/// most probable of all when the model names no positive class. Pure.
std::size_t choose_class(const BundleMetadata& metadata, const std::vector<double>& probabilities);

/// Predicts slices: decodes and preprocesses them on a pool as the model's bundle says, and runs the model in batches;
/// room and pool are shared by all models. No HTTP, no JSON. Thread-safe.
class Service {
 public:
  using Done = std::function<void(Answer answer)>;

  /// Both must outlive the service.
  Service(ModelRepository& models, const ServiceOptions& options, Metrics& metrics);
  ~Service();  ///< close()
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Never blocks. `done` is called once, from any thread: at once when there is no room for all of the uploads.
  void predict(std::shared_ptr<ServedModel> model, std::vector<Upload> uploads, const PredictOptions& options,
               Done done);

  /// Runs other work of a request on the pool, after what waits there. False, and the task dropped, after close().
  bool run(std::function<void()> task) { return pool_.submit(std::move(task)); }

  /// Slices under way at once, at most.
  std::size_t capacity() const { return options_.capacity; }
  /// Whether another slice would be taken now.
  bool has_room() const;
  /// Refuses new work and fails what is under way. Requests whose slices still waited to be decoded are dropped:
  /// their `done` is destroyed without a call. Idempotent.
  void close();

  ModelRepository& models() { return models_; }
  const ModelRepository& models() const { return models_; }
  std::size_t in_progress() const { return in_progress_.load(); }
  std::size_t queue_depth() const { return models_.queue_depth(); }

 private:
  struct Request;
  struct Slice;

  bool take_room(std::size_t slices);
  void prepare(const std::shared_ptr<Slice>& slice);
  std::vector<std::uint16_t> decode_and_preprocess(Slice& slice);
  void submit(const std::shared_ptr<Slice>& slice, std::vector<std::uint16_t> pixels);
  void finish(const std::shared_ptr<Slice>& slice, const BatchOutcome& outcome);
  void succeed(Slice& slice, const BatchResult& result);
  void refuse(Slice& slice, const std::string& code, const std::string& message);

  ModelRepository& models_;
  const ServiceOptions options_;
  Metrics& metrics_;
  std::atomic<std::size_t> in_progress_{0};
  ThreadPool pool_;
};

}  // namespace pulmo::serving
