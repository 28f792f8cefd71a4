#include "serving/drift.h"

#include <limits>
#include <utility>

namespace pulmo::serving {

DriftWindow::DriftWindow(BinnedDistribution reference, const DriftOptions& options)
    : reference_(std::move(reference)), options_(options), counts_(reference_.counts.size()) {
  bins_.reserve(options_.window);
}

void DriftWindow::add(double value) {
  const std::size_t bin = reference_.bin_of(value);
  const std::lock_guard lock(mutex_);
  ++counts_[bin];
  if (bins_.size() < options_.window) {
    bins_.push_back(static_cast<std::uint8_t>(bin));
    return;
  }
  --counts_[bins_[next_]];
  bins_[next_] = static_cast<std::uint8_t>(bin);
  next_ = (next_ + 1) % bins_.size();
}

double DriftWindow::stability_index() const {
  std::vector<std::int64_t> live;
  {
    const std::lock_guard lock(mutex_);
    if (bins_.size() < options_.least) return std::numeric_limits<double>::quiet_NaN();
    live = counts_;
  }
  return population_stability_index(reference_.counts, live);
}

std::size_t DriftWindow::size() const {
  const std::lock_guard lock(mutex_);
  return bins_.size();
}

}  // namespace pulmo::serving
