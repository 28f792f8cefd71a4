#include "training/evaluation/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "core/support/seed.h"

namespace pulmo::training {
namespace {

struct Clusters {
  std::vector<std::size_t> of_row;
  std::size_t count = 0;
};

Clusters number_clusters(const std::vector<std::string>& names) {
  Clusters clusters;
  std::map<std::string, std::size_t> numbers;
  for (const std::string& name : names)
    clusters.of_row.push_back(numbers.try_emplace(name, numbers.size()).first->second);
  clusters.count = numbers.size();
  return clusters;
}

std::vector<double> draw_weights(const Clusters& clusters, std::uint64_t seed) {
  Random random(seed);
  std::vector<double> times(clusters.count, 0.0);
  for (std::size_t i = 0; i < clusters.count; ++i) times[random.below(clusters.count)] += 1.0;
  std::vector<double> weights;
  weights.reserve(clusters.of_row.size());
  for (const std::size_t cluster : clusters.of_row) weights.push_back(times[cluster]);
  return weights;
}

double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(place));
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - std::floor(place)) * (sorted[above] - sorted[below]);
}

Interval percentile_interval(std::vector<double> values, const BootstrapOptions& options) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  if (values.empty() || 2 * values.size() < static_cast<std::size_t>(options.resamples)) {
    return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
  }
  std::sort(values.begin(), values.end());
  const double tail = 0.5 * (1.0 - options.level);
  return {quantile(values, tail), quantile(values, 1.0 - tail)};
}

double weighted_mean(const std::vector<double>& values, std::span<const double> weights) {
  double sum = 0.0, total = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) continue;
    const double weight = weights.empty() ? 1.0 : weights[i];
    sum += weight * values[i];
    total += weight;
  }
  return total > 0.0 ? sum / total : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

std::vector<Interval> cluster_bootstrap(const std::vector<std::string>& clusters, const BootstrapOptions& options,
                                        const WeightedStatistic& statistic) {
  const Clusters numbered = number_clusters(clusters);
  std::vector<std::vector<double>> drawn;  // one list of values for each statistic
  for (int r = 0; r < options.resamples && numbered.count > 0; ++r) {
    const auto seed = derive_seed(options.seed, "bootstrap", 0, 0, static_cast<std::uint64_t>(r));
    const std::vector<double> values = statistic(draw_weights(numbered, seed));
    drawn.resize(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) drawn[i].push_back(values[i]);
  }
  std::vector<Interval> intervals;
  for (std::vector<double>& values : drawn) intervals.push_back(percentile_interval(std::move(values), options));
  return intervals;
}

MeanWithInterval mean_of(const std::vector<double>& values, const std::vector<std::string>& clusters,
                         const BootstrapOptions& options) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  const auto intervals = cluster_bootstrap(clusters, options, [&](std::span<const double> weights) {
    return std::vector<double>{weighted_mean(values, weights)};
  });
  return {weighted_mean(values, {}), intervals.empty() ? Interval{kNone, kNone} : intervals.front()};
}

}  // namespace pulmo::training
