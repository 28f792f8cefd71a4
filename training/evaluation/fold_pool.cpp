#include "training/evaluation/fold_pool.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "core/support/digest.h"

namespace pulmo::training {
namespace {

double validation_auc(const RunReport& report) {
  const SplitReport* validation = report.find("validation");
  return validation == nullptr ? std::numeric_limits<double>::quiet_NaN()
                               : validation->at(Level::kSample).metrics[Metric::kRocAuc];
}

FoldFacts fold_facts(const RunReport& report) {
  const RunFacts& facts = report.facts;
  return {facts.threshold, facts.temperature, validation_auc(report), facts.best_epoch, facts.epochs, facts.seconds};
}

std::string all_of(const std::vector<FoldResult>& folds, std::string RunFacts::*property) {
  std::set<std::string> values;
  for (const FoldResult& fold : folds) values.insert(fold.report.facts.*property);
  std::string text;
  for (const std::string& value : values) text.append(text.empty() ? "" : ", ").append(value);
  return text;
}

RunFacts pooled_facts(const std::vector<FoldResult>& folds) {
  RunFacts pooled = folds.front().report.facts;
  pooled.fold = "all " + std::to_string(folds.size()) + " folds pooled";
  pooled.best_epoch = pooled.epochs = 0;
  pooled.seconds = 0.0;
  std::string identities;
  for (const FoldResult& fold : folds) {
    pooled.folds.push_back(fold_facts(fold.report));
    pooled.epochs += fold.report.facts.epochs;
    pooled.seconds += fold.report.facts.seconds;
    identities += fold.report.facts.identity + '\n';
  }
  pooled.identity = sha256_hex(identities);
  pooled.precision = all_of(folds, &RunFacts::precision);
  pooled.device = all_of(folds, &RunFacts::device);
  return pooled;
}

}  // namespace

PooledFolds pool_folds(const std::vector<FoldResult>& folds) {
  PooledFolds pooled;
  for (std::size_t fold = 0; fold < folds.size(); ++fold) {
    for (Prediction one : folds[fold].test) {
      one.fold = fold;
      pooled.test.push_back(std::move(one));
    }
  }
  pooled.report = make_report(pooled_facts(folds), {{"test", pooled.test}});
  return pooled;
}

std::size_t median_fold(const std::vector<RunReport>& folds) {
  std::vector<double> areas;
  for (const RunReport& fold : folds) {
    const double area = validation_auc(fold);
    areas.push_back(std::isnan(area) ? -1.0 : area);
  }
  std::vector<std::size_t> order(folds.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return areas[a] < areas[b]; });
  const double median = areas[order[(order.size() - 1) / 2]];
  return static_cast<std::size_t>(std::find(areas.begin(), areas.end(), median) - areas.begin());
}

Spread fold_spread(const std::vector<RunReport>& folds, Level level, Metric metric) {
  std::vector<double> values;
  for (const RunReport& fold : folds) {
    const double value = fold.find("test")->at(level).metrics[metric];
    if (!std::isnan(value)) values.push_back(value);
  }
  const double undefined = std::numeric_limits<double>::quiet_NaN();
  if (values.empty()) return {undefined, undefined};
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, values.size() < 2 ? undefined : std::sqrt(squares / (n - 1.0))};
}

}  // namespace pulmo::training
