#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace pulmo::training {

struct BootstrapOptions {
  int resamples = 1000;
  double level = 0.95;  ///< of the interval
  std::uint64_t seed = 0;
};

/// NaN on both sides when fewer than half of the resamples define the statistic.
struct Interval {
  double low;
  double high;
};

/// A statistic of weighted rows; it may return NaN for a value that these weights leave undefined.
using WeightedStatistic = std::function<std::vector<double>(std::span<const double> weights)>;

/// Percentile intervals (Efron 1979) by resampling whole clusters (patients) with replacement, since the rows of one
/// patient are not independent. `clusters` names the cluster of each row; a resample gives each row the number of
/// times its cluster was drawn as weight. Quantiles interpolate linearly between order statistics. Draw r of the
/// clusters (in order of first appearance) comes from derive_seed(seed, "bootstrap", 0, 0, r).
std::vector<Interval> cluster_bootstrap(const std::vector<std::string>& clusters, const BootstrapOptions& options,
                                        const WeightedStatistic& statistic);

struct MeanWithInterval {
  double mean;
  Interval interval;
};
/// The mean of the values with its interval by cluster_bootstrap(). NaN stands for a value that is not there; NaN where
/// none is.
MeanWithInterval mean_of(const std::vector<double>& values, const std::vector<std::string>& clusters,
                         const BootstrapOptions& options);

}  // namespace pulmo::training
