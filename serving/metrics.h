#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "serving/model_metrics.h"

namespace pulmo::serving {

/// Where the time of one slice goes.
enum class Stage { kWait, kDecode, kPreprocess, kQueue, kInfer, kExplain };

/// What pulmo_model_info says of a model version.
struct ModelLabels {
  std::string name;
  std::string version;
  std::string sha256;
};

/// Values that are asked for at each scrape.
struct GaugeSources {
  std::function<double()> queue_depth;        ///< samples waiting for a model
  std::function<double()> in_progress;        ///< slices from their arrival to their result
  std::function<double()> queue_used;         ///< of them, those in the queue's room
  std::function<double()> queue_capacity;     ///< slices that find room in the queue
  std::function<double()> connections;        ///< open client connections
  std::function<double()> upload_bytes;       ///< request bodies in memory
  std::function<double()> ready;              ///< 1 or 0
  std::function<double()> explaining;         ///< explanations that wait or are being made
  std::function<double()> jobs;               ///< jobs that have not ended
  std::function<double()> job_bytes;          ///< results of jobs in memory
  std::function<double()> decoder_processes;  ///< ready to decode
};

/// The server's Prometheus metrics; the list with meanings is docs/metrics.md. No label ever comes from a client:
/// routes are templates; methods, reasons, models and classes are closed sets (an unknown one counts as "other").
/// Thread-safe. The gauges may be connected once, before the first scrape.
class Metrics {
 public:
  explicit Metrics(const DriftOptions& drift = {});
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// One finished request; an empty route counts as "none".
  void count_request(std::string_view route, std::string_view method, int status, double seconds);
  /// A request or a slice that was refused, with the code of its error reply.
  void count_rejection(std::string_view reason);
  /// A decoder process that had to be replaced; `reason` is of kWorkerEnds.
  void count_decoder_restart(std::string_view reason);
  void observe_stage(Stage stage, double seconds);

  /// The metrics of a model version that is loaded as long as the result lives. Of two of one name and version, as
  /// during a reload, the newer one's drift is told.
  std::shared_ptr<ModelMetrics> add_model(const std::string& name, const std::string& version,
                                          const BundleMetadata& metadata);
  /// A bundle was loaded, or could not be.
  void count_load(bool loaded);
  /// The model versions that answer from now on.
  void set_models(const std::vector<ModelLabels>& models);

  void connect(GaugeSources sources);

  /// Prometheus text format 0.0.4.
  std::string text() const;
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pulmo::serving
