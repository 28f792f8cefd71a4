#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/inspection/distribution.h"

namespace pulmo::pipeline {

/// The words of a chart.
struct ChartText {
  std::string title;    ///< what it shows; also its text alternative, with the numbers behind it
  std::string x_label;  ///< with unit
  std::string y_label;
};

/// One of the distributions in a histogram. `colour` is a class of the page's style sheet.
struct ChartLayer {
  std::string name;
  std::string colour;
  Distribution distribution;
};

/// Inline SVG of distributions with the same bins: one as bars of counts (each value its own bar where there are few),
/// several as stepped lines in percent of each, so that layers of different size compare. Empty when nothing was
/// counted.
std::string histogram_svg(const ChartText& text, const std::vector<ChartLayer>& layers);

/// The numbers behind it in words: "normal: median 0.34, 0.1 to 0.52 (120)".
std::string layers_in_words(const std::vector<ChartLayer>& layers);

/// One bar of several parts.
struct StackedBar {
  std::string name;
  std::vector<std::int64_t> parts;
};
/// What the parts are, with the class of the page's style sheet for each.
struct BarPart {
  std::string name;
  std::string colour;
};

/// Inline SVG of horizontal bars, one below the other, on one scale. Empty when all bars are.
std::string stacked_bars_svg(const ChartText& text, const std::vector<BarPart>& parts,
                             const std::vector<StackedBar>& bars);

}  // namespace pulmo::pipeline
