#pragma once

#include <string>
#include <vector>

namespace pulmo::training {

/// A number of an SVG attribute: two decimals.
std::string svg_number(double value);

struct Point {
  double x = 0.0;
  double y = 0.0;
};

struct Axis {
  std::string title;
  double low = 0.0;
  double high = 1.0;
  std::vector<double> ticks;
  bool logarithmic = false;  ///< low, high and ticks are positive
};

/// Whole or decimal steps of 1, 2, 2.5 or 5 times a power of ten, about `count` of them, within [low, high].
std::vector<double> round_ticks(double low, double high, int count);

/// Where a chart's plot area lies in its SVG, px.
struct Frame {
  double left = 52.0;
  double top = 34.0;
  double width = 300.0;
  double height = 300.0;
};

/// `<svg ...>` of this size, px; `label` is read out by screen readers. `more` stands among the attributes.
std::string open_svg(double width, double height, const std::string& label, const std::string& more = "");
/// A text element; `attributes` such as `class="dim"`.
std::string svg_text(double x, double y, const std::string& text, const std::string& anchor = "start",
                     const std::string& attributes = "");

/// The parts of one chart, as SVG elements. Colours come from the style sheet that the SVG stands under: classes
/// `grid`, `dim`, `reference`, `series`; series number i has the custom property --c set to var(--si).
class Chart {
 public:
  Chart(const Frame& frame, Axis x, Axis y) : frame_(frame), x_(std::move(x)), y_(std::move(y)) {}

  /// Of values in the SVG, px.
  double x(double value) const;
  double y(double value) const;

  /// Grid, tick labels, axis titles.
  std::string axes() const;
  /// A broken line through the points; a point that is not finite interrupts it. `css`: the element's classes.
  std::string line(const std::vector<Point>& points, const std::string& css, std::size_t series) const;
  std::string dot(const Point& at, double radius, const std::string& css, std::size_t series) const;
  /// The line that a useless (or a perfect) model would draw.
  std::string reference(const Point& from, const Point& to) const;

 private:
  Frame frame_;
  Axis x_;
  Axis y_;
};

/// `style="--c:var(--sN)"`; the palette has eight colours and begins anew after them.
std::string series_style(std::size_t series);

/// The rules for the classes above and the palette, light and dark, below `root` (":root" or "svg").
std::string chart_style(const std::string& root);

}  // namespace pulmo::training
