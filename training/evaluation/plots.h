#pragma once

#include <string>
#include <vector>

#include "training/evaluation/chart.h"

namespace pulmo::training {

/// One line of a plot in the unit square.
struct CurveSeries {
  std::string title;
  std::string value;         ///< beside the title in the legend: "AUC 0.912"
  std::vector<Point> curve;  ///< empty: listed in the legend only
  struct Mark {
    Point at;             ///< drawn where finite
    double radius = 4.0;  ///< px
  };
  std::vector<Mark> marks;  ///< operating point, bins
  bool emphasised = false;
};

struct CurvePlot {
  std::string title;
  std::string x_title;
  std::string y_title;
  Point reference_from;  ///< of the dashed line
  Point reference_to;
  std::vector<CurveSeries> series;
};

/// An inline SVG element: the unit square, the dashed line, the curves of all rows with their marks, a legend.
std::string curve_svg(const CurvePlot& plot);

/// An inline SVG element: K x K counts, shaded by the share of the true class, in the colour of series `series`.
std::string confusion_svg(const std::vector<std::vector<double>>& confusion, const std::vector<std::string>& classes,
                          const std::string& title, std::size_t series = 0);

/// A value with its interval, one line of interval_svg().
struct IntervalLine {
  std::string title;
  double value = 0.0;
  double low = 0.0;  ///< NaN: no interval
  double high = 0.0;
  bool emphasised = false;
};

/// An inline SVG element: values as dots on one scale, their intervals as lines; those that are NaN say "n/a".
std::string interval_svg(const std::vector<IntervalLine>& lines, const std::string& title);

}  // namespace pulmo::training
