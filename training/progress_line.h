#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "training/run_log.h"

namespace pulmo::training {

enum class ProgressStyle {
  kAuto,   ///< kLine when standard error is a terminal, else kPlain
  kLine,   ///< one line rewritten in place
  kPlain,  ///< a log line every 30 s and after each epoch
  kNone,
};

/// What the line tells.
struct ProgressView {
  std::int64_t epoch = 0;  ///< from 1
  std::int64_t epochs = 0;
  std::int64_t step = 0;   ///< done in the epoch
  std::int64_t steps = 0;  ///< of one epoch
  double loss = 0.0;       ///< mean of the epoch so far
  double images_per_second = 0.0;
  double seconds_left = 0.0;  ///< of the whole run, estimated
};

/// "epoch 3/12 [=====>    ] 120/157  loss 0.512  94 img/s  12:05 left"
std::string progress_text(const ProgressView& view);
/// "1:02:03", "12:05".
std::string clock_text(double seconds);

/// Tells a person on standard error how far the run is. Only rank 0 has one.
class ProgressLine {
 public:
  explicit ProgressLine(ProgressStyle style);

  void step(const ProgressView& view);
  void epoch(const EpochRecord& record, std::int64_t epochs);

 private:
  void erase();

  ProgressStyle style_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace pulmo::training
