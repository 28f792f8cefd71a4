#include "training/evaluation/plots.h"

#include <algorithm>
#include <cmath>

#include "training/evaluation/table.h"

namespace pulmo::training {
namespace {

constexpr Frame kSquare{54.0, 34.0, 300.0, 300.0};
constexpr double kLegendLine = 20.0;
constexpr double kCell = 84.0;  // of a confusion matrix, px
constexpr const char* kHead = "class=\"head\"";

std::string legend_line(const CurveSeries& one, double y, std::size_t series) {
  return "<rect class=\"chip\" " + series_style(series) + " x=\"" + svg_number(kSquare.left) + "\" y=\"" +
         svg_number(y - 8.0) + "\" width=\"18\" height=\"6\" rx=\"3\"/>\n" +
         svg_text(kSquare.left + 26.0, y, one.title, "start", one.emphasised ? kHead : "") +
         svg_text(kSquare.left + kSquare.width, y, one.value, "end", "class=\"dim\"");
}

std::string cell_svg(double x, double y, double count, double share, std::size_t series) {
  const std::string ink = share > 0.55 ? "style=\"fill:var(--paper)\"" : "";
  const std::string place = " x=\"" + svg_number(x) + "\" y=\"" + svg_number(y) + "\" width=\"" + svg_number(kCell) +
                            "\" height=\"" + svg_number(kCell) + "\"";
  std::string svg = "<rect class=\"chip\" " + series_style(series) + place + " fill-opacity=\"" +
                    svg_number(0.04 + 0.96 * share) + "\" stroke=\"var(--paper)\" stroke-width=\"2\"/>\n";
  svg += svg_text(x + kCell / 2, y + kCell / 2 + 2, std::to_string(std::llround(count)), "middle",
                  ink + " font-size=\"18\" font-weight=\"600\"");
  svg += svg_text(x + kCell / 2, y + kCell / 2 + 20, std::to_string(std::lround(100.0 * share)) + " %", "middle", ink);
  return svg;
}

// The scale of values and intervals, a little wider than they are.
Axis scale_of(const std::vector<IntervalLine>& lines) {
  double low = 1.0, high = 0.0;
  for (const IntervalLine& line : lines) {
    for (const double value : {line.value, line.low, line.high}) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (low > high) low = 0.0, high = 1.0;
  low = std::floor(low * 20.0 - 0.2) / 20.0;
  high = std::ceil(high * 20.0 + 0.2) / 20.0;
  low = std::max(0.0, low);
  high = std::min(1.0, high);
  return {"", low, high, round_ticks(low, high, 5)};
}

}  // namespace

std::string curve_svg(const CurvePlot& plot) {
  const std::vector<double> fifths = {0.0, 0.2, 0.4, 0.6, 0.8, 1.0};
  const Chart chart(kSquare, {plot.x_title, 0.0, 1.0, fifths}, {plot.y_title, 0.0, 1.0, fifths});
  const double legend = kSquare.top + kSquare.height + 64.0;
  const double height = legend + kLegendLine * static_cast<double>(plot.series.size()) - 6.0;
  std::string svg = open_svg(kSquare.left + kSquare.width + 16.0, height, plot.title);
  svg += svg_text(kSquare.left, 18.0, plot.title, "start", kHead);
  svg += chart.axes() + chart.reference(plot.reference_from, plot.reference_to);
  for (std::size_t i = 0; i < plot.series.size(); ++i) {
    const CurveSeries& one = plot.series[i];
    svg += chart.line(one.curve, one.emphasised ? "strong" : "", i);
    for (const CurveSeries::Mark& mark : one.marks) svg += chart.dot(mark.at, mark.radius, "", i);
    svg += legend_line(one, legend + kLegendLine * static_cast<double>(i), i);
  }
  return svg + "</svg>\n";
}

std::string confusion_svg(const std::vector<std::vector<double>>& confusion, const std::vector<std::string>& classes,
                          const std::string& title, std::size_t series) {
  const double size = kCell * static_cast<double>(classes.size());
  const double left = 96.0, top = 62.0;
  std::string svg = open_svg(std::max(left + size + 10.0, 250.0), top + size + 8.0, "Confusion matrix: " + title);
  svg += svg_text(4.0, 18.0, title, "start", kHead);
  svg += svg_text(left + size / 2, 38.0, "decided", "middle", "class=\"dim\"");
  svg += svg_text(4.0, top - 6.0, "truth", "start", "class=\"dim\"");
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const double offset = kCell * static_cast<double>(i);
    svg += svg_text(left + offset + kCell / 2, top - 6.0, classes[i], "middle");
    svg += svg_text(left - 8.0, top + offset + kCell / 2 + 4.0, classes[i], "end");
    double all = 0.0;
    for (const double count : confusion[i]) all += count;
    for (std::size_t k = 0; k < classes.size(); ++k) {
      const double share = all > 0.0 ? confusion[i][k] / all : 0.0;
      svg += cell_svg(left + kCell * static_cast<double>(k), top + offset, confusion[i][k], share, series);
    }
  }
  return svg + "</svg>\n";
}

std::string interval_svg(const std::vector<IntervalLine>& lines, const std::string& title) {
  constexpr double kLine = 44.0, kLeft = 12.0, kWidth = 416.0, kTop = 34.0;
  const double height = kLine * static_cast<double>(lines.size());
  const Chart chart({kLeft, kTop, kWidth, height}, scale_of(lines), {"", 0.0, height, {}});
  std::string svg = open_svg(kLeft + kWidth + 12.0, kTop + height + 26.0, title);
  svg += svg_text(kLeft, 18.0, title, "start", kHead);
  svg += chart.axes();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const IntervalLine& one = lines[i];
    const double y = height - kLine * (static_cast<double>(i) + 0.78);
    const double text = chart.y(y) - 13.0;
    const std::string weight = one.emphasised ? kHead : "";
    svg += svg_text(kLeft + 4.0, text, one.title, "start", weight);
    svg += svg_text(kLeft + kWidth - 4.0, text, with_interval(one.value, {one.low, one.high}), "end", weight);
    if (std::isfinite(one.low)) svg += chart.line({{one.low, y}, {one.high, y}}, "strong", i);
    svg += chart.dot({one.value, y}, one.emphasised ? 6.0 : 4.5, "", i);
  }
  return svg + "</svg>\n";
}

}  // namespace pulmo::training
