#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/support/html.h"
#include "training/evaluation/comparison_page.h"
#include "training/evaluation/fold_pool.h"
#include "training/evaluation/plots.h"
#include "training/evaluation/table.h"
#include "training/progress_line.h"

namespace pulmo::training {
namespace {

using Cells = std::vector<std::vector<std::string>>;

std::string cell_html(const std::string& cell) {
  const auto bracket = std::min(cell.find(" ["), cell.find(" ± "));
  if (bracket == std::string::npos) return escape_html(cell);
  return escape_html(cell.substr(0, bracket)) + "<small>" + escape_html(cell.substr(bracket + 1)) + "</small>";
}

// One figure of a row at group level, large, with what is known of its certainty.
std::string number_card(const ComparedRow& row, Metric metric, const std::string& name) {
  const LevelReport& level = row.test_report().at(Level::kGroup);
  const Interval& interval = level.intervals[static_cast<std::size_t>(metric)];
  std::string html = "<div class=\"card\"><span>" + name + "</span><b>" + figure(level.metrics[metric]) + "</b>";
  if (!std::isnan(interval.low)) {
    html += "<span>95 % interval " + figure(interval.low) + " to " + figure(interval.high) + "</span>";
  }
  if (!row.folds.empty()) {
    const Spread spread = fold_spread(row.folds, Level::kGroup, metric);
    html += "<span>folds " + figure(spread.mean) + " ± " + figure(spread.deviation) + "</span>";
  }
  return html + "</div>\n";
}

std::string percent(double share) {
  if (std::isnan(share)) return "n/a";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", 100.0 * share);
  return text;
}

// "94.7 [paper 92.1]" for one figure.
std::string beside(double ours, double papers) {
  char text[32];
  std::snprintf(text, sizeof text, " [paper %.1f]", papers);
  return percent(ours) + text;
}

std::string case_html(const WrongCase& one, const ClassList& classes) {
  const std::string& truth = classes.names[static_cast<std::size_t>(one.label)];
  const std::string& decided = classes.names[static_cast<std::size_t>(one.decision)];
  const std::string number = std::to_string(one.group);
  return "<figure class=\"card\"><img alt=\"Slice of group " + number + ", truth " + escape_html(truth) + "\" src=\"" +
         one.picture + "\"><figcaption><b>" + escape_html(truth) + "</b><span>taken for " + escape_html(decided) +
         "</span><span>p(truth) " + figure(one.probability) + "</span><span>group " + number +
         "</span></figcaption></figure>\n";
}

}  // namespace

std::string html_table(const Cells& cells, int emphasised) {
  std::string html = "<div class=\"card scroll\"><table><thead><tr>";
  for (const std::string& name : cells.front()) html.append("<th>").append(cell_html(name)).append("</th>");
  html += "</tr></thead><tbody>\n";
  for (std::size_t i = 1; i < cells.size(); ++i) {
    html += static_cast<int>(i) - 1 == emphasised ? "<tr class=\"strong\">" : "<tr>";
    for (const std::string& cell : cells[i]) html.append("<td>").append(cell_html(cell)).append("</td>");
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

int reference_index(const Comparison& comparison) {
  for (std::size_t i = 0; i < comparison.rows.size(); ++i) {
    if (comparison.rows[i].report.facts.row == comparison.reference) return static_cast<int>(i);
  }
  return -1;
}

std::string summary_section(const Comparison& comparison) {
  const int at = reference_index(comparison);
  if (at < 0) return "";
  const ComparedRow& reference = comparison.rows[static_cast<std::size_t>(at)];
  std::string html = "<section>\n<h2>" + escape_html(row_title(comparison.reference)) +
                     " by nodule or series</h2>\n<div class=\"glance\"><div class=\"figures\">\n";
  for (const auto& [metric, name] :
       {std::pair{Metric::kRocAuc, "ROC-AUC"}, std::pair{Metric::kAccuracy, "Accuracy"},
        std::pair{Metric::kRecall, "Recall"}, std::pair{Metric::kSpecificity, "Specificity"}}) {
    html += number_card(reference, metric, name);
  }
  std::vector<IntervalLine> lines;
  for (const ComparedRow& row : comparison.rows) {
    const LevelReport& its = row.test_report().at(Level::kGroup);
    const Interval& interval = its.intervals[static_cast<std::size_t>(Metric::kRocAuc)];
    lines.push_back({row_title(row.report.facts.row), its.metrics[Metric::kRocAuc], interval.low, interval.high,
                     row.report.facts.row == comparison.reference});
  }
  return html + "</div>\n<div class=\"card\">" +
         interval_svg(lines, "ROC-AUC by nodule or series, 95 % interval over patients") + "</div></div>\n</section>\n";
}

std::string paper_section(const Comparison& comparison) {
  Cells cells = {{"row", "accuracy", "precision", "recall", "F1"}};
  for (const ComparedRow& row : comparison.rows) {
    const auto paper = paper_figures(row.report.facts.row);
    if (!paper) continue;
    const Metrics& ours = row.test_report().at(Level::kSample).metrics;
    cells.push_back({row_title(row.report.facts.row), beside(ours[Metric::kAccuracy], paper->accuracy),
                     beside(ours[Metric::kPrecision], paper->precision), beside(ours[Metric::kRecall], paper->recall),
                     beside(ours[Metric::kF1], paper->f1)});
  }
  if (cells.size() == 1) return "";
  return "<section>\n<h2>Beside the paper's figures</h2>\n<p class=\"lead\">By slice, in percent. The paper's split "
         "was "
         "another, and may hold slices of one patient on both sides; the two cannot be expected to agree.</p>\n" +
         html_table(cells, -1) + "</section>\n";
}

std::string cost_section(const Comparison& comparison) {
  Cells cells = {{"row", "training time", "epochs", "best epoch", "seconds an epoch", "ranks"}};
  for (const ComparedRow& row : comparison.rows) {
    const RunFacts& facts = row.report.facts;
    char each[32] = "-";
    if (facts.epochs > 0) std::snprintf(each, sizeof each, "%.1f", facts.seconds / static_cast<double>(facts.epochs));
    cells.push_back({row_title(facts.row), clock_text(facts.seconds),
                     facts.epochs > 0 ? std::to_string(facts.epochs) : "-",
                     facts.best_epoch > 0 ? std::to_string(facts.best_epoch) : "-", each, std::to_string(facts.ranks)});
  }
  const bool folds = fold_count(comparison) > 0;
  return std::string("<section>\n<h2>What training cost</h2>\n") +
         (folds ? "<p class=\"lead\">All folds together; the best epoch is each fold's own.</p>\n" : "") +
         html_table(cells, reference_index(comparison)) + "</section>\n";
}

std::string wrong_section(const Comparison& comparison) {
  std::string rows;
  for (const ComparedRow& row : comparison.rows) {
    if (row.wrong.empty()) continue;
    const bool open = row.report.facts.row == comparison.reference;
    rows += std::string("<details") + (open ? " open" : "") + "><summary>" +
            escape_html(row_title(row.report.facts.row)) + " <span>" + std::to_string(row.wrong.size()) +
            " cases</span></summary>\n<div class=\"cases\">\n";
    for (const WrongCase& one : row.wrong) rows += case_html(one, comparison.classes);
    rows += "</div></details>\n";
  }
  if (rows.empty()) return "";
  return "<section>\n<h2>The most wrong cases</h2>\n<p class=\"lead\">Test slices that a row decided wrongly, the "
         "least "
         "probability of the truth first; one slice of a nodule or series. Groups are numbered in the order of the "
         "test "
         "part, alike for all rows.</p>\n" +
         rows + "</section>\n";
}

std::string notes_section(const Comparison& comparison) {
  std::string html = "<section>\n<h2>How to read it</h2>\n<div class=\"card\"><ul class=\"notes\">\n";
  for (const std::string& note : comparison_notes(comparison)) {
    html.append("<li>").append(escape_html(note)).append("</li>\n");
  }
  html.append("<li>Dots on the curves are the operating points; in the calibration plot their size is the share of ");
  html.append("predictions in the bin.</li>\n");
  if (fold_count(comparison) > 0) {
    html +=
        "<li>Each fold has its own operating threshold, so the pooled operating points need not lie on the pooled "
        "curves. A pooled area compares probabilities of different models and is the stricter figure; mean and "
        "deviation of the folds' own stand beside it.</li>\n";
  }
  html.append("<li>Data digest: <code>").append(escape_html(comparison.data_digest));
  html.append("</code></li>\n<li>Command: <code>").append(escape_html(comparison.command_line));
  return html.append("</code></li>\n</ul></div>\n</section>\n");
}

}  // namespace pulmo::training
