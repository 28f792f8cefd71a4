#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "training/options.h"
#include "training/watch/event_file.h"
#include "training/watch/training_metrics.h"

namespace pulmo::training {

class MetricsListener;
class Pusher;

/// What rank 0 tells about a training while it goes on: TensorBoard event files, Prometheus metrics to be scraped and
/// pushed. One for the whole program; the runs of a comparison follow each other. Watching never ends a run: what
/// cannot be written any more is logged once and given up. Not thread-safe.
class Watch {
 public:
  /// Offers the metrics from now on. Throws IoError when the port cannot be had, InvalidInput("configuration") for a
  /// bad push_url.
  explicit Watch(const WatchOptions& options);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// Event files go to folder/tensorboard.
  void begin(const WatchedRun& run, const std::filesystem::path& folder);
  void step(const StepRecord& record);
  /// After `step` steps of all epochs.
  void epoch(const EpochRecord& record, std::int64_t step);
  void checkpoint();
  /// Whether all ranks were found to hold the same weights.
  void ranks_compared(bool agree);
  /// How the work ended; kRunning until then.
  void end(RunState state);

  /// Where the metrics are offered; 0: nowhere.
  int port() const;

 private:
  void add(std::int64_t step, const std::vector<Scalar>& values);
  void look_at_disk();

  WatchOptions options_;
  TrainingMetrics metrics_;
  std::filesystem::path folder_;  ///< of the run
  std::optional<EventFile> events_;
  std::unique_ptr<MetricsListener> listener_;
  std::unique_ptr<Pusher> pusher_;
};

}  // namespace pulmo::training
