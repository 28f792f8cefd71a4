#include "core/support/html.h"
#include "training/evaluation/chart.h"
#include "training/evaluation/comparison_page.h"
#include "training/evaluation/table.h"

namespace pulmo::training {
namespace {

constexpr Frame kSmall{54.0, 34.0, 300.0, 170.0};
constexpr double kLegendLine = 18.0;

bool is_baseline(const std::string& method) {
  return method == kRandomOrder || method == kCentreOrder;
}

std::string legend_line(const std::string& title, double area, double y, std::size_t series) {
  return "<rect class=\"chip\" " + series_style(series) + " x=\"" + svg_number(kSmall.left) + "\" y=\"" +
         svg_number(y - 8.0) + "\" width=\"18\" height=\"6\" rx=\"3\"/>\n" + svg_text(kSmall.left + 26.0, y, title) +
         svg_text(kSmall.left + kSmall.width, y, "area " + figure(area), "end", "class=\"dim\"");
}

// One of the two curves of all methods.
std::string curves_svg(const Faithfulness& measured, const std::string& title, const std::string& x_title,
                       std::vector<double> MethodCurves::*curve, MeanWithInterval MethodSummary::*area) {
  const std::vector<double> quarters = {0.0, 0.25, 0.5, 0.75, 1.0};
  const Chart chart(kSmall, {x_title, 0.0, 1.0, quarters}, {"probability", 0.0, 1.0, quarters});
  const double legend = kSmall.top + kSmall.height + 62.0;
  const double height = legend + kLegendLine * static_cast<double>(measured.methods.size()) - 6.0;
  std::string svg = open_svg(kSmall.left + kSmall.width + 16.0, height, title);
  svg += svg_text(kSmall.left, 18.0, title, "start", "class=\"head\"") + chart.axes();
  for (std::size_t i = 0; i < measured.methods.size(); ++i) {
    const MethodSummary& method = measured.methods[i];
    const std::vector<double>& values = measured.curves[i].*curve;
    std::vector<Point> points;
    for (std::size_t step = 0; step < values.size(); ++step) {
      points.push_back({static_cast<double>(step) / static_cast<double>(values.size() - 1), values[step]});
    }
    svg += chart.line(points, is_baseline(method.name) ? "faint" : "strong", i);
    svg += legend_line(method.name, (method.*area).mean, legend + kLegendLine * static_cast<double>(i), i);
  }
  return svg + "</svg>\n";
}

std::string curves_html(const Faithfulness& measured) {
  if (measured.curves.empty()) return "";
  return "<div class=\"plots\">\n<div class=\"card\">" +
         curves_svg(measured, "Deletion", "share of pixels taken out", &MethodCurves::deletion,
                    &MethodSummary::deletion) +
         "</div>\n<div class=\"card\">" +
         curves_svg(measured, "Insertion", "share of pixels that came back", &MethodCurves::insertion,
                    &MethodSummary::insertion) +
         "</div>\n</div>\n";
}

// "200 of 1620 test samples of fold 2 of 5, 61 patients".
std::string measured_on(const Faithfulness& measured) {
  const FaithfulnessFacts& facts = measured.facts;
  return samples_text(facts) +
         (measured.fold.empty() ? "" : " of " + measured.fold.substr(0, measured.fold.find(','))) + ", " +
         std::to_string(facts.patients) + " patients";
}

}  // namespace

std::string faithfulness_section(const Comparison& comparison) {
  std::string rows;
  for (const ComparedRow& row : comparison.rows) {
    if (!row.faithfulness) continue;
    const bool open = row.report.facts.row == comparison.reference;
    rows += std::string("<details") + (open ? " open" : "") + "><summary>" +
            escape_html(row_title(row.report.facts.row)) + " <span>" + escape_html(measured_on(*row.faithfulness)) +
            "</span></summary>\n" + html_table(faithfulness_cells(row.faithfulness->methods), -1) +
            curves_html(*row.faithfulness) + "</details>\n";
  }
  if (rows.empty()) return "";
  return "<section>\n<h2>Do explanations say what the model does</h2>\n<p class=\"lead\">Pixels are taken out of a "
         "picture, or come back to a blurred one, in the order of a heat map. Where the map shows what the model "
         "decides by, the probability of its decision falls soon (deletion, low is good) and comes back soon "
         "(insertion, high is good). Beside the maps stand pixels in random order, and by distance from the centre, "
         "where a patch holds its nodule. Inside is the share of the map inside the readers' outlines, of random that "
         "of the picture. Brackets are 95 % intervals by bootstrap over patients. Compare the lines of one table, not "
         "different models.</p>\n" +
         rows + "</section>\n";
}

}  // namespace pulmo::training
