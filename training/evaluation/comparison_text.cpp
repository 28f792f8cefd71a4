#include <cmath>
#include <nlohmann/json.hpp>

#include "core/support/version.h"
#include "training/evaluation/comparison.h"
#include "training/evaluation/fold_pool.h"
#include "training/evaluation/json_number.h"
#include "training/evaluation/table.h"

namespace pulmo::training {
namespace {

using Json = nlohmann::ordered_json;

Json paired_json(const PairedResult& paired) {
  return {{"auc_difference", json_number(paired.auc_difference)},
          {"auc_difference_interval", {json_number(paired.interval.low), json_number(paired.interval.high)}},
          {"specificity_difference", json_number(paired.specificity_difference)},
          {"specificity_difference_interval",
           {json_number(paired.specificity_interval.low), json_number(paired.specificity_interval.high)}},
          {"delong_z", json_number(paired.delong.z)},
          {"delong_p", json_number(paired.delong.p_value)},
          {"delong_p_holm", json_number(paired.delong_holm)},
          {"mcnemar_only_this_right", paired.mcnemar.only_first},
          {"mcnemar_only_reference_right", paired.mcnemar.only_second},
          {"mcnemar_p", json_number(paired.mcnemar.p_value)},
          {"mcnemar_p_holm", json_number(paired.mcnemar_holm)}};
}

Json row_json(const ComparedRow& row) {
  Json json = {{"row", row.report.facts.row}, {"title", row_title(row.report.facts.row)}};
  if (const auto paper = paper_figures(row.report.facts.row)) {
    json["paper_percent"] = {
        {"accuracy", paper->accuracy}, {"precision", paper->precision}, {"recall", paper->recall}, {"f1", paper->f1}};
  }
  json["metrics"] = Json::parse(to_json(row.report));
  if (row.paired) {
    for (const Level level : kLevels) {
      json["against_reference"][std::string(to_string(level))] =
          paired_json((*row.paired)[static_cast<std::size_t>(level)]);
    }
  }
  return json;
}

std::string plain(double value) {
  if (std::isnan(value)) return "";
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

std::string csv_line(const ComparedRow& row, Level level) {
  const LevelReport& at = row.test_report().at(level);
  std::string line = row.report.facts.row + ',' + std::string(to_string(level)) + ',' + std::to_string(at.n);
  for (std::size_t i = 0; i < kMetricCount; ++i) {
    line.append(",").append(plain(at.metrics.values[i]));
    line.append(",").append(plain(at.intervals[i].low)).append(",").append(plain(at.intervals[i].high));
  }
  if (!row.paired) return line + ",,,,,,,,,,\n";
  const PairedResult& paired = (*row.paired)[static_cast<std::size_t>(level)];
  for (const double value :
       {paired.auc_difference, paired.interval.low, paired.interval.high, paired.specificity_difference,
        paired.specificity_interval.low, paired.specificity_interval.high, paired.delong.p_value, paired.delong_holm,
        paired.mcnemar.p_value, paired.mcnemar_holm}) {
    line.append(",").append(plain(value));
  }
  return line + '\n';
}

// Two tables, so that neither is wider than a page: the first columns, then the row's name and the rest.
constexpr std::size_t kFirstColumns = 8;

std::string level_tables(const Comparison& comparison, Level level) {
  std::string text;
  const auto cells = comparison_cells(comparison, level);
  const auto split = [&](const std::vector<std::string>& line, bool first) {
    const auto middle = line.begin() + kFirstColumns;
    if (first) return std::vector<std::string>(line.begin(), middle);
    std::vector<std::string> rest = {line.front()};
    rest.insert(rest.end(), middle, line.end());
    return rest;
  };
  for (const bool first : {true, false}) {
    MarkdownTable table(split(cells.front(), first));
    for (std::size_t i = 1; i < cells.size(); ++i) table.add_row(split(cells[i], first));
    text.append(text.empty() ? "" : "\n").append(table.text());
  }
  return text;
}

std::string fold_table(const Comparison& comparison, Level level) {
  auto cells = fold_cells(comparison, level);
  cells.front().front() = "mean ± deviation over folds";
  MarkdownTable table(cells.front());
  for (std::size_t i = 1; i < cells.size(); ++i) table.add_row(cells[i]);
  return table.text();
}

Json folds_json(const ComparedRow& row) {
  Json json = Json::object();
  for (const Level level : kLevels) {
    for (std::size_t i = 0; i < kMetricCount; ++i) {
      const Spread spread = fold_spread(row.folds, level, static_cast<Metric>(i));
      json[std::string(to_string(level))][std::string(kMetricNames[i])] = {
          {"mean", json_number(spread.mean)}, {"deviation", json_number(spread.deviation)}};
    }
  }
  return json;
}

}  // namespace

std::string comparison_markdown(const Comparison& comparison) {
  std::string text = "# " + comparison.title + "\n\n";
  for (const std::string& note : comparison_notes(comparison)) text.append("- ").append(note).append("\n");
  text.append("- Task: ")
      .append(comparison.task)
      .append(". Data digest: `")
      .append(comparison.data_digest)
      .append("`.\n");
  text.append("- Command: `").append(comparison.command_line).append("`\n");
  for (const Level level : kLevels) {
    text.append("\n## ").append(level_title(level)).append("\n\n").append(level_tables(comparison, level));
    if (fold_count(comparison) > 0) text.append("\n").append(fold_table(comparison, level));
  }
  return text;
}

std::string comparison_csv(const Comparison& comparison) {
  std::string text = "row,level,n";
  for (const std::string_view name : kMetricNames) {
    for (const char* suffix : {"", "_low", "_high"}) text.append(",").append(name).append(suffix);
  }
  text +=
      ",auc_difference,auc_difference_low,auc_difference_high,specificity_difference,specificity_difference_low,"
      "specificity_difference_high,delong_p,delong_p_holm,mcnemar_p,mcnemar_p_holm\n";
  for (const ComparedRow& row : comparison.rows) {
    for (const Level level : kLevels) text += csv_line(row, level);
  }
  return text;
}

std::string comparison_json(const Comparison& comparison) {
  Json json = {{"format_version", 1},
               {"title", comparison.title},
               {"folds", fold_count(comparison)},
               {"task", comparison.task},
               {"phantom", comparison.phantom},
               {"data_digest", comparison.data_digest},
               {"command", comparison.command_line},
               {"classes", comparison.classes.names},
               {"reference", comparison.reference},
               {"notes", comparison_notes(comparison)},
               {"rows", Json::array()}};
  if (comparison.best) {
    json["best"] = {{"row", comparison.best->row},
                    {"validation_roc_auc", json_number(comparison.best->validation_area)}};
  }
  for (const ComparedRow& row : comparison.rows) {
    json["rows"].push_back(row_json(row));
    if (!row.folds.empty()) json["rows"].back()["over_folds"] = folds_json(row);
  }
  return json.dump(2) + '\n';
}

}  // namespace pulmo::training
