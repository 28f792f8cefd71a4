#include "training/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace pulmo::training {

double learning_rate_at(const ScheduleOptions& options, std::int64_t step, std::int64_t steps_per_epoch,
                        std::int64_t total_steps) {
  const double at = static_cast<double>(step);
  const double warmup = options.warmup_epochs * static_cast<double>(steps_per_epoch);
  if (at < warmup) return options.learning_rate * (at + 1.0) / (warmup + 1.0);
  if (options.kind == ScheduleKind::kConstant) return options.learning_rate;
  const double rest = std::max(1.0, static_cast<double>(total_steps) - warmup);
  const double done = std::clamp((at - warmup) / rest, 0.0, 1.0);
  const double cosine = 0.5 * (1.0 + std::cos(std::numbers::pi * done));
  return options.learning_rate * (options.final_fraction + (1.0 - options.final_fraction) * cosine);
}

}  // namespace pulmo::training
