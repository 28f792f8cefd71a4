#include <array>
#include <cmath>
#include <utility>

#include "core/support/html.h"
#include "training/evaluation/comparison_page.h"
#include "training/evaluation/curves.h"
#include "training/evaluation/plots.h"
#include "training/evaluation/table.h"

namespace pulmo::training {
namespace {

constexpr std::array<const char*, kLevels.size()> kTabs = {"Slices", "Nodules or series", "Patients"};

struct LevelRows {
  const Comparison& comparison;
  Level level;
  std::vector<std::vector<Prediction>> predictions;  ///< of each row
};

double prevalence(const LevelRows& rows) {
  double positives = 0.0;
  for (const Prediction& one : rows.predictions.front()) {
    positives += one.label == rows.comparison.classes.positive ? 1.0 : 0.0;
  }
  return positives / static_cast<double>(rows.predictions.front().size());
}

CurveSeries series_of(const LevelRows& rows, std::size_t i, Metric metric, const char* name) {
  const ComparedRow& row = rows.comparison.rows[i];
  const double value = row.test_report().at(rows.level).metrics[metric];
  return {row_title(row.report.facts.row),
          std::string(name) + " " + figure(value),
          {},
          {},
          row.report.facts.row == rows.comparison.reference};
}

std::string roc_plot(const LevelRows& rows) {
  CurvePlot plot{"ROC", "false positive rate (1 - specificity)", "true positive rate (recall)", {0, 0}, {1, 1}, {}};
  for (std::size_t i = 0; i < rows.predictions.size(); ++i) {
    CurveSeries series = series_of(rows, i, Metric::kRocAuc, "AUC");
    for (const RocPoint& at : roc_curve(rows.predictions[i], rows.comparison.classes.positive)) {
      series.curve.push_back({at.false_positive_rate, at.true_positive_rate});
    }
    const Metrics& metrics = rows.comparison.rows[i].test_report().at(rows.level).metrics;
    series.marks.push_back({{1.0 - metrics[Metric::kSpecificity], metrics[Metric::kRecall]}});
    plot.series.push_back(std::move(series));
  }
  return curve_svg(plot);
}

std::string precision_plot(const LevelRows& rows) {
  const double share = prevalence(rows);
  CurvePlot plot{"Precision and recall", "recall", "precision", {0, share}, {1, share}, {}};
  for (std::size_t i = 0; i < rows.predictions.size(); ++i) {
    CurveSeries series = series_of(rows, i, Metric::kPrAuc, "AP");
    series.curve = precision_recall_curve(rows.predictions[i], rows.comparison.classes.positive);
    const Metrics& metrics = rows.comparison.rows[i].test_report().at(rows.level).metrics;
    series.marks.push_back({{metrics[Metric::kRecall], metrics[Metric::kPrecision]}});
    plot.series.push_back(std::move(series));
  }
  return curve_svg(plot);
}

std::string calibration_plot(const LevelRows& rows) {
  CurvePlot plot{"Calibration", "mean predicted probability", "share that is positive", {0, 0}, {1, 1}, {}};
  for (std::size_t i = 0; i < rows.predictions.size(); ++i) {
    CurveSeries series = series_of(rows, i, Metric::kEce, "ECE");
    for (const ReliabilityBin& bin : reliability_bins(rows.predictions[i], rows.comparison.classes.positive)) {
      const Point at{bin.mean_probability, bin.positive_share};
      series.curve.push_back(at);
      series.marks.push_back({at, 2.0 + 9.0 * std::sqrt(bin.share)});
    }
    plot.series.push_back(std::move(series));
  }
  return curve_svg(plot);
}

std::string matrices(const LevelRows& rows) {
  std::string html;
  for (std::size_t i = 0; i < rows.comparison.rows.size(); ++i) {
    const ComparedRow& row = rows.comparison.rows[i];
    html += "<div class=\"card\">" +
            confusion_svg(row.test_report().at(rows.level).metrics.confusion, rows.comparison.classes.names,
                          row_title(row.report.facts.row), i) +
            "</div>\n";
  }
  return html;
}

using Cells = std::vector<std::vector<std::string>>;

// The figures of the rows, and their tests against the reference.
std::pair<Cells, Cells> two_tables(const Cells& cells) {
  constexpr std::ptrdiff_t kFigures = 2 + static_cast<std::ptrdiff_t>(kMetricCount);
  std::pair<Cells, Cells> tables;
  for (const std::vector<std::string>& line : cells) {
    tables.first.emplace_back(line.begin(), line.begin() + kFigures);
    tables.second.push_back({line.front()});
    tables.second.back().insert(tables.second.back().end(), line.begin() + kFigures, line.begin() + kFigures + 4);
  }
  return tables;
}

std::string level_body(const Comparison& comparison, Level level) {
  LevelRows rows{comparison, level, {}};
  for (const ComparedRow& row : comparison.rows) {
    rows.predictions.push_back(aggregate(row.test, level, comparison.classes.positive, row.report.facts.slice_weights));
  }
  const auto [figures, tests] = two_tables(comparison_cells(comparison, level));
  std::string html = html_table(figures, reference_index(comparison));
  html += "<div class=\"plots\">\n";
  for (const std::string& plot : {roc_plot(rows), precision_plot(rows), calibration_plot(rows)}) {
    html.append("<div class=\"card\">").append(plot).append("</div>\n");
  }
  html += "</div>\n";
  if (comparison.rows.size() > 1) {
    html += "<h3>Against " + escape_html(row_title(comparison.reference)) + "</h3>\n" +
            html_table(tests, reference_index(comparison));
  }
  html += "<h3>Decisions at the operating threshold</h3>\n<div class=\"plots matrices\">" + matrices(rows) + "</div>\n";
  if (fold_count(comparison) > 0) {
    html += "<h3>Mean ± standard deviation over the folds</h3>\n" +
            html_table(fold_cells(comparison, level), reference_index(comparison));
  }
  return html;
}

}  // namespace

std::string levels_section(const Comparison& comparison) {
  if (comparison.rows.empty()) return "";
  std::string html = "<section>\n<h2>Results</h2>\n<div class=\"tabs\">\n";
  for (std::size_t i = 0; i < kLevels.size(); ++i) {
    const std::string id = "level-" + std::to_string(i);
    html += "<input type=\"radio\" name=\"level\" id=\"" + id + "\"" + (kLevels[i] == Level::kGroup ? " checked" : "") +
            "><label for=\"" + id + "\">" + kTabs[i] + "</label>\n";
  }
  for (std::size_t i = 0; i < kLevels.size(); ++i) {
    html += "<div class=\"level level-" + std::to_string(i) + "\">\n<h3>" + escape_html(level_title(kLevels[i])) +
            "</h3>\n" + level_body(comparison, kLevels[i]) + "</div>\n";
  }
  return html + "</div>\n</section>\n";
}

}  // namespace pulmo::training
