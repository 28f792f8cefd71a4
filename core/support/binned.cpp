#include "core/support/binned.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace pulmo {

std::int64_t BinnedDistribution::total() const {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

std::size_t BinnedDistribution::bin_of(double value) const {
  return static_cast<std::size_t>(std::lower_bound(edges.begin(), edges.end(), value) - edges.begin());
}

BinnedDistribution bin_by_quantiles(std::vector<double> values, std::size_t bins) {
  std::sort(values.begin(), values.end());
  BinnedDistribution result;
  result.low = values.front();
  result.high = values.back();
  for (std::size_t k = 1; k < bins; ++k) {
    const std::size_t rank = (k * values.size() + bins - 1) / bins;  // ceil(k n / bins), from 1
    const double edge = values[std::max<std::size_t>(rank, 1) - 1];
    if (result.edges.empty() || edge > result.edges.back()) result.edges.push_back(edge);
  }
  result.counts.resize(result.edges.size() + 1);
  for (const double value : values) ++result.counts[result.bin_of(value)];
  return result;
}

double population_stability_index(std::span<const std::int64_t> reference, std::span<const std::int64_t> live) {
  const auto total = [](std::span<const std::int64_t> counts) {
    return static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
  };
  const double of_reference = total(reference);
  const double of_live = total(live);
  if (of_reference <= 0.0 || of_live <= 0.0) return std::numeric_limits<double>::quiet_NaN();
  double index = 0.0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double p = std::max(kLeastShare, static_cast<double>(reference[i]) / of_reference);
    const double q = std::max(kLeastShare, static_cast<double>(live[i]) / of_live);
    index += (q - p) * std::log(q / p);
  }
  return index;
}

}  // namespace pulmo
