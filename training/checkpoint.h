#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "training/communicator.h"
#include "training/step.h"
#include "training/weights.h"

namespace pulmo::training {

/// Where a run stands: between two steps.
struct Progress {
  std::int64_t epoch = 0;        ///< from 0: the one under way
  std::int64_t step = 0;         ///< done in this epoch
  std::int64_t global_step = 0;  ///< done in all
  Meter meter;                   ///< of this epoch so far, all ranks
  double epoch_seconds = 0.0;    ///< training time of this epoch so far
  double epoch_wait = 0.0;       ///< of those, waiting for input
  double total_seconds = 0.0;    ///< of finished epochs, validation included
  bool finished = false;         ///< no epoch is left
};

/// The best epoch by validation so far.
struct Best {
  std::int64_t epoch = -1;  ///< from 0; -1: none yet
  double roc_auc = 0.0;
  double loss = 0.0;

  bool beaten_by(double other_roc_auc, double other_loss) const;
};

struct Checkpoint {
  std::string identity;   ///< run_identity()
  std::string precision;  ///< in use, never "auto"
  Progress progress;
  Best best;
  std::int64_t adam_steps = 0;
  NamedTensors weights;
  NamedTensors moments;
  NamedTensors best_weights;  ///< empty while there is no best epoch
  NamedTensors average;       ///< WeightAverage; empty without one
};

/// 2 added the average of the weights.
inline constexpr int kCheckpointFormatVersion = 2;

/// `checkpoints/` of a run. A checkpoint is `epoch-E-step-S.pt` (under way, done in it), a dictionary of tensors that
/// Python's torch.load() reads, all on the processor (`state` holds the rest as JSON text), with the same name and
/// `.sha256` beside it (for `sha256sum -c`). Both appear whole or not at all; one without the other does not count.
class CheckpointStore {
 public:
  /// Keeps the newest `keep`.
  CheckpointStore(std::filesystem::path directory, std::int64_t keep);

  /// Writes and then removes the oldest. Throws IoError; earlier checkpoints are then untouched.
  void save(const Checkpoint& checkpoint) const;

  /// The bytes of the newest checkpoint whose digest holds; a damaged one is passed over with a warning. Nothing when
  /// there is no checkpoint at all. Throws InvalidInput("checkpoint") when there are some but all are damaged.
  std::optional<std::vector<char>> newest() const;

  /// Names, oldest first.
  std::vector<std::string> names() const;
  /// Removes them all.
  void clear() const;
  /// Removes what killed processes left half-written.
  void remove_abandoned() const;

 private:
  std::filesystem::path directory_;
  std::int64_t keep_;
};

std::vector<char> encode_checkpoint(const Checkpoint& checkpoint);
/// Throws InvalidInput("checkpoint"): malformed or of a newer version.
Checkpoint decode_checkpoint(const std::vector<char>& bytes);

/// Read by rank 0, given to all.
std::optional<Checkpoint> load_newest(const CheckpointStore& store, const Communicator& communicator);

}  // namespace pulmo::training
