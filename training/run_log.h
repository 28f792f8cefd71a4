#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pulmo::training {

/// How near the outlines of a finished epoch are to the readers'.
struct OutlineRecord {
  double train_loss = 0.0;       ///< mean over the samples (outline_losses()), as they were trained on
  double validation_loss = 0.0;  ///< likewise
  double validation_dice = 0.0;  ///< Validation::Outlines::dice
};

/// One finished epoch.
struct EpochRecord {
  std::int64_t epoch = 0;  ///< from 1
  double train_loss = 0.0;
  double train_accuracy = 0.0;
  double validation_loss = 0.0;
  double validation_accuracy = 0.0;
  double validation_roc_auc = 0.0;
  double learning_rate = 0.0;  ///< of the last step
  double images_per_second = 0.0;
  double input_wait_seconds = 0.0;  ///< of the slowest rank
  double train_seconds = 0.0;
  double seconds = 0.0;                        ///< validation included
  bool best = false;                           ///< best so far
  std::optional<OutlineRecord> outlines = {};  ///< of a network that learns them
};

/// log.jsonl: one JSON object a line for each finished epoch, rewritten whole after each, so that it is never torn.
class RunLog {
 public:
  /// Takes over the lines of epochs before `first_epoch` (from 1); later ones, of a run that went further than its last
  /// checkpoint, are dropped. Throws IoError.
  RunLog(std::filesystem::path path, std::int64_t first_epoch);

  /// Throws IoError.
  void append(const EpochRecord& record);

 private:
  std::filesystem::path path_;
  std::string text_;
};

}  // namespace pulmo::training
