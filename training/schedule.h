#pragma once

#include <cstdint>

namespace pulmo::training {

enum class ScheduleKind {
  kConstant,
  kCosine,  ///< half a cosine from the base rate to the final one (Loshchilov, Hutter 2017, without restarts)
};

struct ScheduleOptions {
  ScheduleKind kind = ScheduleKind::kConstant;
  double learning_rate = 0.001;
  double warmup_epochs = 0.0;    ///< the rate rises linearly over these, which are part of the whole
  double final_fraction = 0.01;  ///< of the learning rate, where the cosine ends
};

/// The learning rate of global step `step` (from 0) of `total_steps`. Pure function.
double learning_rate_at(const ScheduleOptions& options, std::int64_t step, std::int64_t steps_per_epoch,
                        std::int64_t total_steps);

}  // namespace pulmo::training
