#include "training/evaluation/plots.h"

#include <gmock/gmock.h>

#include <cmath>

#include "training/evaluation/table.h"

namespace pulmo::training {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Plots, CurveOfAPerfectModelGoesThroughTheTopLeftCorner) {
  const std::string svg = roc_svg({{"m", {{0, 0}, {0, 1}, {1, 1}}, {0, 1}, 1.0, true}}, "test");
  EXPECT_THAT(svg, HasSubstr("points=\"52.00,354.00 52.00,34.00 372.00,34.00 \""));
  EXPECT_THAT(svg, HasSubstr("AUC 1.000"));
}

TEST(Plots, RowWithoutACurveIsInTheLegendOnly) {
  const std::string svg = roc_svg({{"m", {}, {NAN, NAN}, NAN, false}}, "test");
  EXPECT_THAT(svg, HasSubstr("m, AUC n/a"));
  EXPECT_THAT(svg, Not(HasSubstr("polyline")));
  EXPECT_THAT(svg, Not(HasSubstr("circle")));
}

TEST(Plots, ConfusionShowsCountsAndTheShareOfTheTrueClass) {
  const std::string svg = confusion_svg({{3, 1}, {0, 5}}, {"a<b", "c"}, "m");
  EXPECT_THAT(svg, HasSubstr(">75 %<"));
  EXPECT_THAT(svg, HasSubstr(">100 %<"));
  EXPECT_THAT(svg, HasSubstr("a&lt;b"));
}

TEST(Table, LinesUpItsColumns) {
  MarkdownTable table({"row", "value"});
  table.add_row({"läng", "1"});
  EXPECT_EQ(table.text(), "| row  | value |\n|------|------:|\n| läng |     1 |\n");
}

TEST(Table, UndefinedFiguresSaySo) {
  EXPECT_EQ(with_interval(NAN, {0.0, 1.0}), "n/a");
  EXPECT_EQ(with_interval(0.5, {NAN, NAN}), "0.500");
  EXPECT_EQ(with_interval(0.5, {0.25, 0.75}), "0.500 [0.250, 0.750]");
  EXPECT_EQ(p_value(0.0004), "< 0.001");
  EXPECT_EQ(p_value(NAN), "n/a");
}

}  // namespace
}  // namespace pulmo::training
