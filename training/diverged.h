#pragma once

#include <string>

#include "core/support/error.h"

namespace pulmo::training {

/// What ends a training whose loss or weights are no finite numbers; `found` says what was seen and where.
inline InvalidInput diverged(const std::string& found) {
  return {"diverged", found +
                          ": lower schedule.learning_rate, add schedule.warmup_epochs, or use training.precision=fp32; "
                          "the last checkpoint is still good"};
}

}  // namespace pulmo::training
