#pragma once

#include "core/support/binned.h"

namespace pulmo {

/// What the model's validation samples were like: served slices are compared with it (docs/monitoring.md, "Drift").
struct ReferenceStatistics {
  BinnedDistribution lung_fraction;         ///< InputStatistics::lung_fraction
  BinnedDistribution mean_intensity;        ///< InputStatistics::mean_intensity
  BinnedDistribution positive_probability;  ///< calibrated

  bool operator==(const ReferenceStatistics&) const = default;
};

}  // namespace pulmo
