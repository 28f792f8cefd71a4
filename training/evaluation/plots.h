#pragma once

#include <string>
#include <vector>

#include "training/evaluation/metrics.h"

namespace pulmo::training {

/// `&`, `<`, `>`, `"` and `'` as entities.
std::string escape_html(const std::string& text);

/// One line of an ROC plot.
struct RocSeries {
  std::string title;
  std::vector<RocPoint> curve;  ///< empty: listed in the legend only
  RocPoint operating_point;     ///< at the row's threshold; drawn where finite
  double auc = 0.0;
  bool emphasised = false;
};

/// An inline SVG element: ROC curves of all rows, the diagonal of chance, operating points, a legend with the areas.
std::string roc_svg(const std::vector<RocSeries>& series, const std::string& title);

/// An inline SVG element: K x K counts, shaded by the share of the true class.
std::string confusion_svg(const std::vector<std::vector<double>>& confusion, const std::vector<std::string>& classes,
                          const std::string& title);

}  // namespace pulmo::training
