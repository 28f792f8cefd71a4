#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "training/run_log.h"

namespace pulmo::training {

/// A run as it begins, or goes on.
struct WatchedRun {
  std::string row;
  std::string fold;  ///< PreparedData::fold
  std::int64_t epochs = 0;
  std::int64_t steps_per_epoch = 0;
  std::int64_t epoch = 0;  ///< from 1, the one in progress
  std::int64_t step = 0;   ///< done, of all epochs
  int ranks = 1;
};

/// One finished step, of all ranks together.
struct StepRecord {
  std::int64_t step = 0;   ///< done, of all epochs
  std::int64_t epoch = 0;  ///< from 1
  double loss = 0.0;       ///< mean of the batch
  double learning_rate = 0.0;
  std::int64_t images = 0;
  double seconds = 0.0;
  double input_wait_seconds = 0.0;  ///< of this rank, within `seconds`
};

/// How the program's work stands.
enum class RunState { kRunning, kDone, kInterrupted, kFailed };

/// The Prometheus metrics of a training; the list with meanings is docs/metrics.md. Counters go on over all runs of the
/// process (the rows of a comparison); gauges speak of the run in progress. Thread-safe.
class TrainingMetrics {
 public:
  TrainingMetrics();
  ~TrainingMetrics();
  TrainingMetrics(const TrainingMetrics&) = delete;
  TrainingMetrics& operator=(const TrainingMetrics&) = delete;

  void begin(const WatchedRun& run);
  void step(const StepRecord& record);
  void epoch(const EpochRecord& record);
  void checkpoint();
  /// Whether all ranks were found to hold the same weights.
  void ranks_compared(bool agree);
  void disk(double free_bytes, double size_bytes);
  void state(RunState now);

  /// Prometheus text format 0.0.4.
  std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pulmo::training
