#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace pulmo {

/// How the values of one quantity are distributed, in bins that are open at both ends: bin i counts values v with
/// edges[i-1] < v <= edges[i].
struct BinnedDistribution {
  double low = 0.0;                  ///< the least value
  double high = 0.0;                 ///< the greatest
  std::vector<double> edges;         ///< B - 1, strictly ascending
  std::vector<std::int64_t> counts;  ///< B

  bool operator==(const BinnedDistribution&) const = default;

  std::int64_t total() const;
  std::size_t bin_of(double value) const;
  /// Whether the value lies below low or above high.
  bool is_beyond(double value) const { return value < low || value > high; }
};

/// At most `bins` bins of about equal counts: edge k is the k/bins quantile of the values (the least value that so
/// large a share does not exceed), equal edges being one. `values` must not be empty and hold no NaN.
BinnedDistribution bin_by_quantiles(std::vector<double> values, std::size_t bins);

/// Smallest share of a bin in the index below: an empty bin would make it infinite.
inline constexpr double kLeastShare = 1e-4;

/// Population stability index of two sets of counts in the same bins: sum of (q - p) ln(q / p) over the bins, p and q
/// being the shares of `reference` and `live`, kLeastShare at least (Siddiqi, Credit Risk Scorecards, 2006). It is the
/// symmetric Kullback-Leibler divergence. NaN when either is empty.
double population_stability_index(std::span<const std::int64_t> reference, std::span<const std::int64_t> live);

}  // namespace pulmo
