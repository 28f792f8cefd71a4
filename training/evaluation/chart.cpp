#include "training/evaluation/chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/support/html.h"

namespace pulmo::training {
namespace {

constexpr std::size_t kColours = 8;

double share(const Axis& axis, double value) {
  if (axis.logarithmic) return std::log(value / axis.low) / std::log(axis.high / axis.low);
  return (value - axis.low) / (axis.high - axis.low);
}

std::string tick_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string segment(double x1, double y1, double x2, double y2, const std::string& css) {
  return "<line class=\"" + css + "\" x1=\"" + svg_number(x1) + "\" y1=\"" + svg_number(y1) + "\" x2=\"" +
         svg_number(x2) + "\" y2=\"" + svg_number(y2) + "\"/>\n";
}

}  // namespace

std::string svg_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

std::vector<double> round_ticks(double low, double high, int count) {
  const double rough = (high - low) / count;
  if (!(rough > 0.0) || !std::isfinite(rough)) return {low};
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10.0 * power;
  for (const double factor : {5.0, 2.5, 2.0, 1.0}) {
    if (factor * power >= rough) step = factor * power;
  }
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i += 1.0)
    ticks.push_back(i * step + 0.0);
  return ticks;
}

std::string open_svg(double width, double height, const std::string& label, const std::string& more) {
  const std::string w = svg_number(width), h = svg_number(height);
  return "<svg " + more + (more.empty() ? "" : " ") + "role=\"img\" aria-label=\"" + escape_html(label) +
         "\" width=\"" + w + "\" height=\"" + h + "\" viewBox=\"0 0 " + w + ' ' + h + "\">\n";
}

std::string svg_text(double x, double y, const std::string& text, const std::string& anchor,
                     const std::string& attributes) {
  return "<text x=\"" + svg_number(x) + "\" y=\"" + svg_number(y) + "\" text-anchor=\"" + anchor + "\" " + attributes +
         ">" + escape_html(text) + "</text>\n";
}

double Chart::x(double value) const {
  return frame_.left + frame_.width * share(x_, value);
}

double Chart::y(double value) const {
  return frame_.top + frame_.height * (1.0 - share(y_, value));
}

std::string Chart::axes() const {
  const double right = frame_.left + frame_.width, bottom = frame_.top + frame_.height;
  std::string svg;
  for (const double tick : x_.ticks) {
    svg += segment(x(tick), frame_.top, x(tick), bottom, "grid");
    svg += svg_text(x(tick), bottom + 17.0, tick_text(tick), "middle", "class=\"dim\"");
  }
  for (const double tick : y_.ticks) {
    svg += segment(frame_.left, y(tick), right, y(tick), "grid");
    svg += svg_text(frame_.left - 7.0, y(tick) + 4.0, tick_text(tick), "end", "class=\"dim\"");
  }
  svg += svg_text(frame_.left + frame_.width / 2, bottom + 36.0, x_.title, "middle");
  const double middle = frame_.top + frame_.height / 2;
  svg += svg_text(frame_.left - 38.0, middle, y_.title, "middle",
                  "transform=\"rotate(-90 " + svg_number(frame_.left - 38.0) + ' ' + svg_number(middle) + ")\"");
  return svg;
}

std::string Chart::line(const std::vector<Point>& points, const std::string& css, std::size_t series) const {
  std::string svg;
  const std::string open = "<polyline class=\"series " + css + "\" " + series_style(series) + " points=\"";
  std::string run;
  const auto close_run = [&] {
    if (!run.empty()) svg += open + run + "\"/>\n";
    run.clear();
  };
  for (const Point& point : points) {
    if (!std::isfinite(point.x) || !std::isfinite(point.y)) {
      close_run();
      continue;
    }
    run += svg_number(x(point.x)) + ',' + svg_number(y(point.y)) + ' ';
  }
  close_run();
  return svg;
}

std::string Chart::dot(const Point& at, double radius, const std::string& css, std::size_t series) const {
  if (!std::isfinite(at.x) || !std::isfinite(at.y)) return "";
  return "<circle class=\"dot " + css + "\" " + series_style(series) + " r=\"" + svg_number(radius) + "\" cx=\"" +
         svg_number(x(at.x)) + "\" cy=\"" + svg_number(y(at.y)) + "\"/>\n";
}

std::string Chart::reference(const Point& from, const Point& to) const {
  return segment(x(from.x), y(from.y), x(to.x), y(to.y), "reference");
}

std::string series_style(std::size_t series) {
  return "style=\"--c:var(--s" + std::to_string(series % kColours) + ")\"";
}

// Okabe and Ito's palette (2008), distinct for colour-blind readers too; lighter where the paper is dark.
std::string chart_style(const std::string& root) {
  const std::string light =
      "--ink:#1a1d21;--dim:#5d6673;--line:#dde1e7;--paper:#ffffff;--s0:#0072b2;--s1:#d55e00;--s2:#009e73;--s3:#b5508c;"
      "--s4:#b77b00;--s5:#3a9bd1;--s6:#6b6f76;--s7:#7a3fb0;";
  const std::string dark =
      "--ink:#e8eaed;--dim:#9aa4b2;--line:#333a44;--paper:#171b21;--s0:#4aa8e0;--s1:#ff8a3d;--s2:#2fc79a;--s3:#e089bd;"
      "--s4:#f0b93a;--s5:#8fd0f5;--s6:#a9b0ba;--s7:#b98cf0;";
  return root + "{" + light + "}\n@media (prefers-color-scheme: dark){" + root + "{" + dark + "}}\n@media print{" +
         root + "{" + light + "}}\n" +
         "svg{font:12px system-ui,'DejaVu Sans',sans-serif}svg text{fill:var(--ink)}svg text.dim{fill:var(--dim)}"
         "svg text.head{font-weight:600;font-size:13px}svg .grid{stroke:var(--line)}"
         "svg .reference{stroke:var(--dim);stroke-dasharray:4 4}"
         "svg .series{fill:none;stroke:var(--c);stroke-width:1.7;stroke-linejoin:round}"
         "svg .series.strong{stroke-width:3}svg .series.faint{opacity:.45}"
         "svg .dot{fill:var(--c);stroke:var(--paper);stroke-width:1.2}svg .chip{fill:var(--c)}\n";
}

}  // namespace pulmo::training
