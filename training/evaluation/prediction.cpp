#include "training/evaluation/prediction.h"

#include <algorithm>
#include <map>
#include <utility>

namespace pulmo::training {
namespace {

int common_label(const std::vector<int>& counts, int positive) {
  if (counts[static_cast<std::size_t>(positive)] > 0) return positive;
  return static_cast<int>(std::max_element(counts.begin(), counts.end()) - counts.begin());
}

/// Means are kept as the first sample's probabilities plus the mean difference from them, so that the mean of equal
/// values is that value to the last bit: a row that answers the same for everything must tie everywhere.
struct Pool {
  Prediction mean;
  std::vector<double> first;
  std::vector<int> label_counts;
  double samples = 0.0;
};

void add_sample(Pool& pool, const Prediction& sample) {
  for (std::size_t k = 0; k < pool.first.size(); ++k) {
    pool.mean.probabilities[k] += sample.probabilities[k] - pool.first[k];
  }
  ++pool.label_counts[static_cast<std::size_t>(sample.label)];
  pool.samples += 1.0;
}

Pool empty_pool(const Prediction& sample, Level level) {
  const std::size_t classes = sample.probabilities.size();
  Pool pool;
  pool.mean.patient = sample.patient;
  pool.mean.fold = sample.fold;
  if (level == Level::kGroup) pool.mean.group = sample.group;
  pool.mean.probabilities.assign(classes, 0.0);
  pool.first = sample.probabilities;
  pool.label_counts.assign(classes, 0);
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

std::vector<Prediction> aggregate(const std::vector<Prediction>& samples, Level level, int positive) {
  if (level == Level::kSample) return samples;
  std::map<std::pair<std::string, std::string>, std::size_t> position;
  std::vector<Pool> pools;
  for (const Prediction& sample : samples) {
    const auto key = std::make_pair(sample.patient, level == Level::kGroup ? sample.group : std::string());
    const auto [entry, fresh] = position.try_emplace(key, pools.size());
    if (fresh) pools.push_back(empty_pool(sample, level));
    add_sample(pools[entry->second], sample);
  }
  std::vector<Prediction> result;
  for (Pool& pool : pools) {
    for (std::size_t k = 0; k < pool.first.size(); ++k) {
      pool.mean.probabilities[k] = pool.first[k] + pool.mean.probabilities[k] / pool.samples;
    }
    pool.mean.label = common_label(pool.label_counts, positive);
    result.push_back(std::move(pool.mean));
  }
  return result;
}

}  // namespace pulmo::training
