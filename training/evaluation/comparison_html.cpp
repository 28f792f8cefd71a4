#include "core/support/version.h"
#include "training/evaluation/comparison.h"
#include "training/evaluation/plots.h"

namespace pulmo::training {
namespace {

constexpr const char* kStyle = R"(<style>
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #f6f7f9; margin: 0; }
main { max-width: 1440px; margin: 0 auto; padding: 24px; }
h1 { font-size: 26px; margin: 0 0 8px; }
h2 { font-size: 19px; margin: 32px 0 10px; }
section, .card { background: #fff; border: 1px solid #dfe3e8; border-radius: 10px; padding: 16px; overflow-x: auto; }
.phantom { background: #fff3cd; border: 1px solid #e0b400; border-radius: 10px; padding: 10px 16px; font-weight: 600; }
ul { margin: 8px 0; padding-left: 20px; }
code { background: #eef1f4; border-radius: 4px; padding: 1px 5px; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { padding: 6px 7px; text-align: right; white-space: nowrap; border-bottom: 1px solid #e6e9ed; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff; }
th { background: #fff; color: #555; font-weight: 600; }
tr.reference td { font-weight: 600; background: #eef5fb; }
td small { color: #667; font-weight: 400; display: block; }
.plots { display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-start; margin-top: 16px; }
.matrices { display: flex; flex-wrap: wrap; gap: 16px; flex: 1; min-width: 290px; }
svg { font: 12px system-ui, sans-serif; max-width: 100%; height: auto; }
svg .grid { stroke: #e6e9ed; } svg .chance { stroke: #999; stroke-dasharray: 4 4; } svg .dim { fill: #667; }
</style>)";

// The interval under its value, so that a wide table stays readable.
std::string cell_html(const std::string& cell) {
  const auto bracket = cell.find(" [");
  if (bracket == std::string::npos) return escape_html(cell);
  return escape_html(cell.substr(0, bracket)) + "<small>" + escape_html(cell.substr(bracket + 1)) + "</small>";
}

std::string table_html(const Comparison& comparison, Level level) {
  const auto cells = comparison_cells(comparison, level);
  std::string html = "<section><table><thead><tr>";
  for (const std::string& name : cells.front()) html.append("<th>").append(escape_html(name)).append("</th>");
  html += "</tr></thead><tbody>\n";
  for (std::size_t i = 1; i < cells.size(); ++i) {
    const bool reference = comparison.rows[i - 1].report.facts.row == comparison.reference;
    html += reference ? "<tr class=\"reference\">" : "<tr>";
    for (const std::string& cell : cells[i]) html.append("<td>").append(cell_html(cell)).append("</td>");
    html += "</tr>\n";
  }
  return html + "</tbody></table></section>\n";
}

std::string plots_html(const Comparison& comparison, Level level) {
  std::vector<RocSeries> series;
  std::string matrices;
  for (const ComparedRow& row : comparison.rows) {
    const Metrics& metrics = row.test_report().at(level).metrics;
    const std::string title = row_title(row.report.facts.row);
    series.push_back({title,
                      roc_curve(aggregate(row.test, level, comparison.classes.positive), comparison.classes.positive),
                      {1.0 - metrics[Metric::kSpecificity], metrics[Metric::kRecall]},
                      metrics[Metric::kRocAuc],
                      row.report.facts.row == comparison.reference});
    matrices.append("<div class=\"card\">")
        .append(confusion_svg(metrics.confusion, comparison.classes.names, title))
        .append("</div>\n");
  }
  return "<div class=\"plots\"><div class=\"card\">" + roc_svg(series, level_title(level)) +
         "</div>\n<div class=\"matrices\">" + matrices + "</div></div>\n";
}

}  // namespace

std::string comparison_html(const Comparison& comparison) {
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>pulmo: comparison of models</title>\n";
  html.append(kStyle).append("\n</head><body><main>\n<h1>Comparison of models</h1>\n");
  const auto notes = comparison_notes(comparison);
  if (comparison.phantom) html.append("<p class=\"phantom\">").append(escape_html(notes.front())).append("</p>\n");
  html += "<ul>\n";
  for (std::size_t i = comparison.phantom ? 1 : 0; i < notes.size(); ++i) {
    html.append("<li>").append(escape_html(notes[i])).append("</li>\n");
  }
  html.append("<li>Task: ").append(escape_html(comparison.task)).append(". Data digest: <code>");
  html.append(comparison.data_digest).append("</code></li>\n<li>Command: <code>");
  html.append(escape_html(comparison.command_line)).append("</code></li>\n<li>pulmo ").append(version());
  html += "</li>\n</ul>\n";
  for (const Level level : kLevels) {
    html.append("<h2>").append(escape_html(level_title(level))).append("</h2>\n");
    html += table_html(comparison, level) + plots_html(comparison, level);
  }
  return html + "</main></body></html>\n";
}

}  // namespace pulmo::training
