#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "core/support/binned.h"

namespace pulmo::serving {

struct DriftOptions {
  std::size_t window = 1000;  ///< slices that are compared with the reference: the last ones
  std::size_t least = 200;    ///< before so many have come nothing is said
};

/// The last values of one quantity in the bins of its reference distribution. Thread-safe; adding a value takes a
/// search in at most nine edges and a short lock.
class DriftWindow {
 public:
  DriftWindow(BinnedDistribution reference, const DriftOptions& options);

  void add(double value);
  /// See population_stability_index(); NaN until enough values have come.
  double stability_index() const;
  std::size_t size() const;

 private:
  const BinnedDistribution reference_;
  const DriftOptions options_;
  mutable std::mutex mutex_;
  std::vector<std::uint8_t> bins_;  ///< of the last values: a ring once it is full
  std::size_t next_ = 0;            ///< the oldest of a full ring
  std::vector<std::int64_t> counts_;
};

}  // namespace pulmo::serving
