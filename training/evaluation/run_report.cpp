#include "training/evaluation/run_report.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/support/version.h"
#include "training/evaluation/json_number.h"
#include "training/evaluation/table.h"

namespace pulmo::training {
namespace {

using Json = nlohmann::ordered_json;

LevelReport report_level(const std::vector<Prediction>& samples, Level level, const RunFacts& facts) {
  const std::vector<Prediction> rows = aggregate(samples, level, facts.classes.positive, facts.slice_weights);
  const ScoredSet scored(rows, facts.classes, thresholds_of(facts));
  std::vector<std::string> patients;
  for (const Prediction& row : rows) patients.push_back(row.patient);
  LevelReport report{rows.size(), scored.evaluate(), {}};
  const auto intervals = cluster_bootstrap(patients, facts.bootstrap, [&](std::span<const double> weights) {
    const auto values = scored.evaluate(weights).values;
    return std::vector<double>(values.begin(), values.end());
  });
  report.intervals.fill({NAN, NAN});
  for (std::size_t i = 0; i < intervals.size(); ++i) report.intervals[i] = intervals[i];
  return report;
}

Json level_json(const LevelReport& level) {
  Json json = {{"n", level.n}};
  Json intervals = Json::object();
  for (std::size_t i = 0; i < kMetricCount; ++i) {
    const std::string name(kMetricNames[i]);
    json[name] = json_number(level.metrics.values[i]);
    intervals[name] = Json::array({json_number(level.intervals[i].low), json_number(level.intervals[i].high)});
  }
  Json confusion = Json::array();
  for (const std::vector<double>& row : level.metrics.confusion) {
    confusion.push_back(std::vector<std::int64_t>(row.begin(), row.end()));
  }
  json["confusion"] = confusion;
  json["interval"] = intervals;
  return json;
}

Json folds_json(const RunFacts& facts) {
  Json folds = Json::array();
  for (const FoldFacts& one : facts.folds) {
    folds.push_back({{"threshold", one.threshold},
                     {"temperature", one.temperature},
                     {"validation_roc_auc", json_number(one.validation_roc_auc)},
                     {"best_epoch", one.best_epoch},
                     {"epochs", one.epochs},
                     {"seconds", one.seconds}});
  }
  return folds;
}

Json facts_json(const RunFacts& facts) {
  const bool pooled = !facts.folds.empty();
  return {{"row", facts.row},
          {"task", facts.task},
          {"classes", facts.classes.names},
          {"positive_class", facts.classes.names[static_cast<std::size_t>(facts.classes.positive)]},
          {"threshold", pooled ? Json(nullptr) : Json(facts.threshold)},
          {"temperature", pooled ? Json(nullptr) : Json(facts.temperature)},
          {"phantom", facts.phantom},
          {"data_digest", facts.data_digest},
          {"fold", facts.fold},
          {"folds", folds_json(facts)},
          {"identity", facts.identity},
          {"bundle_sha256", facts.bundle_sha256},
          {"best_epoch", facts.best_epoch},
          {"epochs", facts.epochs},
          {"seconds", facts.seconds},
          {"ranks", facts.ranks},
          {"precision", facts.precision},
          {"device", facts.device},
          {"slice_weights", to_string(facts.slice_weights)},
          {"bootstrap",
           {{"resamples", facts.bootstrap.resamples},
            {"unit", "patient"},
            {"level", facts.bootstrap.level},
            {"seed", facts.bootstrap.seed}}},
          {"pulmo_version", version()},
          {"notice", kNotice}};
}

}  // namespace

const SplitReport* RunReport::find(const std::string& split) const {
  for (const SplitReport& report : splits) {
    if (report.split == split) return &report;
  }
  return nullptr;
}

std::vector<double> thresholds_of(const RunFacts& facts) {
  if (facts.folds.empty()) return {facts.threshold};
  std::vector<double> thresholds;
  for (const FoldFacts& one : facts.folds) thresholds.push_back(one.threshold);
  return thresholds;
}

RunReport make_report(const RunFacts& facts, const std::vector<SplitPredictions>& splits) {
  RunReport report{facts, {}};
  for (const SplitPredictions& part : splits) {
    SplitReport& split = report.splits.emplace_back();
    split.split = part.split;
    for (const Level level : kLevels) {
      split.levels[static_cast<std::size_t>(level)] = report_level(part.samples, level, facts);
    }
  }
  return report;
}

std::string to_json(const RunReport& report) {
  Json json = {{"format_version", 1}};
  json.update(facts_json(report.facts));
  for (const SplitReport& split : report.splits) {
    Json levels = Json::object();
    for (const Level level : kLevels) levels[std::string(to_string(level))] = level_json(split.at(level));
    json[split.split] = levels;
  }
  return json.dump(2) + "\n";
}

std::string to_markdown(const SplitReport& report) {
  MarkdownTable table({report.split, "n", "accuracy", "precision", "recall", "specificity", "F1", "ROC-AUC", "PR-AUC",
                       "Brier", "ECE", "specificity at recall 0.9"});
  for (const Level level : kLevels) {
    const LevelReport& at = report.at(level);
    std::vector<std::string> cells = {std::string(to_string(level)), std::to_string(at.n)};
    for (std::size_t i = 0; i < kMetricCount; ++i) {
      cells.push_back(with_interval(at.metrics.values[i], at.intervals[i]));
    }
    table.add_row(std::move(cells));
  }
  return table.text();
}

}  // namespace pulmo::training
