#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "training/checkpoint.h"
#include "training/options.h"
#include "training/prepared_data.h"
#include "training/progress_line.h"
#include "training/run_log.h"
#include "training/sampler.h"
#include "training/validation.h"
#include "training/watch/watch.h"
#include "training/weight_average.h"

namespace pulmo::training {

/// What a training needs; everything referred to must outlive the trainer.
struct TrainerInput {
  const FitOptions& options;
  const Communicator& communicator;
  const PreparedData& data;
  NetworkOptions network;
  Precision precision;           ///< in use, not kAuto
  std::string identity;          ///< run_identity()
  std::filesystem::path folder;  ///< of the run: log.jsonl and checkpoints/
  ProgressStyle progress;
  std::function<bool()> interrupted;  ///< collective: whether any rank was asked to stop
  bool spare_core = false;            ///< whether this rank has a processor that its threads leave idle
  Watch* watch = nullptr;             ///< rank 0; may be null
  Device device = {};                 ///< of this rank
};

/// A network as its training begins: with the weights of its file where it starts from some. Throws as make_network()
/// and load_backbone(), and InvalidInput("configuration") where no file is named.
std::shared_ptr<Network> first_network(const NetworkOptions& options, const FitOptions& fit);

/// Trains one network, data parallel. Every member function is collective. A pure function of configuration, data and
/// the checkpoint it goes on from: neither the number of ranks nor interruptions change what it computes, up to the
/// order in which gradients are summed.
class Trainer {
 public:
  explicit Trainer(const TrainerInput& input);

  /// Goes on from a checkpoint of the same run. Throws InvalidInput("weights") when it does not fit.
  void resume(Checkpoint checkpoint);

  /// Trains to the last epoch. Throws Interrupted after a checkpoint when a rank was asked to stop,
  /// InvalidInput("diverged") naming the batch when the loss is not finite, IoError.
  void run();

  const Progress& progress() const { return progress_; }
  const Best& best() const { return best_; }
  /// Weights of the best epoch, or their average where there is one; float32 (float64 in kFp64).
  const NamedTensors& best_weights() const { return best_weights_; }
  /// Weights as they are now.
  NamedTensors weights() const { return weights_.snapshot(); }
  /// Their average; empty without one.
  NamedTensors average() const { return average_.snapshot(); }

 private:
  using Clock = std::chrono::steady_clock;

  void calibrate();
  void train_epoch();
  /// Returns the mean loss of the global batch.
  double train_step(const EpochPlan& plan, BatchLoader& loader);
  void check_finite(const Meter& global, const Meter& local, const Batch& batch) const;
  Validation validate_epoch();
  void finish_epoch(const Validation& validation, Clock::duration validation_time);
  void check_same_weights();
  std::vector<std::vector<std::int64_t>> coming_shares(const EpochPlan& plan) const;
  void save();
  void require_finite_weights();
  [[noreturn]] void stop();
  void begin_watch();
  void show_step(StepRecord record);
  void show_progress();
  double current_rate() const;
  /// Lets those weights learn whose time has come.
  void set_learning();

  TrainerInput input_;
  Weights weights_;
  std::vector<LearningPace> paces_;
  Adam adam_;
  WeightAverage average_;
  std::unique_ptr<GradientSync> sync_;
  TrainingStep step_;
  std::optional<ReaderOutlines> outlines_;             ///< of the training part, for a row that learns them
  std::optional<ReaderOutlines> validation_outlines_;  ///< likewise
  ImageCache train_cache_;
  ImageCache validation_cache_;
  CheckpointStore store_;
  Progress progress_;
  Best best_;
  NamedTensors best_weights_;
  std::optional<RunLog> log_;         ///< rank 0
  std::optional<ProgressLine> line_;  ///< rank 0
  double last_validation_seconds_ = 0.0;
  std::optional<std::pair<std::int64_t, std::int64_t>> saved_at_;  ///< epoch and step of the last checkpoint
};

}  // namespace pulmo::training
