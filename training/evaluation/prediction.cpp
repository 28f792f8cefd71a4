#include "training/evaluation/prediction.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

namespace pulmo::training {
namespace {

int common_label(const std::vector<int>& counts, int positive) {
  if (counts[static_cast<std::size_t>(positive)] > 0) return positive;
  return static_cast<int>(std::max_element(counts.begin(), counts.end()) - counts.begin());
}

constexpr double kLeastProbability = 1e-12;  // whose logarithm is still a number

using Samples = std::vector<const Prediction*>;

/// Weighted by place. Kept as the first value plus the mean difference from it, so that the mean of equal values is
/// that value to the last bit: a row that answers the same for everything must tie everywhere.
template <typename Value, typename Weight>
double mean_of(const Samples& samples, Value value, Weight weight) {
  const double first = value(*samples.front());
  double sum = 0.0;
  double weights = 0.0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    sum += weight(i) * (value(*samples[i]) - first);
    weights += weight(i);
  }
  return first + sum / weights;
}

std::vector<double> mean_probabilities(const Samples& samples) {
  std::vector<double> means(samples.front()->probabilities.size());
  for (std::size_t k = 0; k < means.size(); ++k) {
    means[k] = mean_of(
        samples, [k](const Prediction& one) { return one.probabilities[k]; }, [](std::size_t) { return 1.0; });
  }
  return means;
}

/// At a nodule's ends a slice holds little of it, and neighbours in part.
std::vector<double> sphere_probabilities(const Samples& samples) {
  const auto section = [n = static_cast<double>(samples.size())](std::size_t i) {
    const double height = (2.0 * static_cast<double>(i) + 1.0) / n - 1.0;
    return 1.0 - height * height;
  };
  std::vector<double> means(samples.front()->probabilities.size());
  for (std::size_t k = 0; k < means.size(); ++k) {
    const auto log_p = [k](const Prediction& one) {
      return std::log(std::max(one.probabilities[k], kLeastProbability));
    };
    means[k] = std::exp(mean_of(samples, log_p, section));
  }
  const double sum = std::accumulate(means.begin(), means.end(), 0.0);
  for (double& mean : means) mean /= sum;
  return means;
}

Prediction pooled(const Samples& samples, Level level, int positive, SliceWeights weights) {
  const bool by_section = level == Level::kGroup && weights == SliceWeights::kSphere;
  Prediction pool;
  pool.patient = samples.front()->patient;
  pool.fold = samples.front()->fold;
  if (level == Level::kGroup) pool.group = samples.front()->group;
  pool.probabilities = by_section ? sphere_probabilities(samples) : mean_probabilities(samples);
  std::vector<int> label_counts(pool.probabilities.size());
  for (const Prediction* sample : samples) ++label_counts[static_cast<std::size_t>(sample->label)];
  pool.label = common_label(label_counts, positive);
  return pool;
}

}  // namespace

std::string_view to_string(Level level) {
  switch (level) {
    case Level::kSample: return "sample";
    case Level::kGroup: return "group";
    case Level::kPatient: return "patient";
  }
  return "?";
}

std::string_view to_string(SliceWeights weights) {
  return weights == SliceWeights::kEqual ? "equal" : "sphere";
}

std::vector<Prediction> aggregate(const std::vector<Prediction>& samples, Level level, int positive,
                                  SliceWeights weights) {
  if (level == Level::kSample) return samples;
  std::map<std::pair<std::string, std::string>, std::size_t> position;
  std::vector<Samples> pools;
  for (const Prediction& sample : samples) {
    const auto key = std::make_pair(sample.patient, level == Level::kGroup ? sample.group : std::string());
    const auto [entry, fresh] = position.try_emplace(key, pools.size());
    if (fresh) pools.emplace_back();
    pools[entry->second].push_back(&sample);
  }
  std::vector<Prediction> result;
  result.reserve(pools.size());
  for (const Samples& pool : pools) result.push_back(pooled(pool, level, positive, weights));
  return result;
}

}  // namespace pulmo::training
