#include "training/evaluation/plots.h"

#include <gmock/gmock.h>

#include <cmath>

#include "training/evaluation/table.h"

namespace pulmo::training {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

CurvePlot plot_of(CurveSeries series) {
  return {"ROC", "x", "y", {0, 0}, {1, 1}, {std::move(series)}};
}

TEST(Plots, CurveOfAPerfectModelGoesThroughTheTopLeftCorner) {
  const std::string svg = curve_svg(plot_of({"m", "AUC 1.000", {{0, 0}, {0, 1}, {1, 1}}, {{{0, 1}}}, true}));
  EXPECT_THAT(svg, HasSubstr("points=\"54.00,334.00 54.00,34.00 354.00,34.00 \""));
  EXPECT_THAT(svg, HasSubstr("AUC 1.000"));
  EXPECT_THAT(svg, HasSubstr("cx=\"54.00\" cy=\"34.00\""));
}

TEST(Plots, RowWithoutACurveIsInTheLegendOnly) {
  const std::string svg = curve_svg(plot_of({"m", "AUC n/a", {}, {{{NAN, NAN}}}, false}));
  EXPECT_THAT(svg, HasSubstr("AUC n/a"));
  EXPECT_THAT(svg, Not(HasSubstr("polyline")));
  EXPECT_THAT(svg, Not(HasSubstr("circle")));
}

TEST(Plots, ConfusionShowsCountsAndTheShareOfTheTrueClass) {
  const std::string svg = confusion_svg({{3, 1}, {0, 5}}, {"a<b", "c"}, "m");
  EXPECT_THAT(svg, HasSubstr(">75 %<"));
  EXPECT_THAT(svg, HasSubstr(">100 %<"));
  EXPECT_THAT(svg, HasSubstr("a&lt;b"));
}

TEST(Plots, IntervalsShareOneScaleAndUndefinedOnesSaySo) {
  const std::string svg = interval_svg({{"first", 0.9, 0.85, 0.95, true}, {"second", NAN, NAN, NAN, false}}, "ROC-AUC");
  EXPECT_THAT(svg, HasSubstr("0.900 [0.850, 0.950]"));
  EXPECT_THAT(svg, HasSubstr(">n/a<"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(Chart, TicksAreRoundNumbersWithinTheAxis) {
  EXPECT_THAT(round_ticks(0.0, 1.0, 5), ElementsAre(0.0, 0.2, 0.4, ::testing::DoubleNear(0.6, 1e-12), 0.8, 1.0));
  EXPECT_THAT(round_ticks(3.0, 12.0, 4), ElementsAre(5.0, 7.5, 10.0));
  EXPECT_FALSE(std::signbit(round_ticks(0.0, 0.7, 5).front()));
  EXPECT_THAT(round_ticks(2.0, 2.0, 4), ElementsAre(2.0));
}

TEST(Chart, AnUndefinedPointInterruptsTheLine) {
  const Chart chart({0, 0, 100, 100}, {"", 0, 4, {}}, {"", 0, 1, {}});
  const std::string svg = chart.line({{0, 0}, {1, 0.5}, {2, NAN}, {3, 0.5}, {4, 1}}, "", 0);
  EXPECT_THAT(svg, HasSubstr("points=\"0.00,100.00 25.00,50.00 \""));
  EXPECT_THAT(svg, HasSubstr("points=\"75.00,50.00 100.00,0.00 \""));
}

TEST(Chart, LogarithmicAxisGivesEachDecadeTheSameLength) {
  const Chart chart({0, 0, 300, 100}, {"", 0.001, 1.0, {}, true}, {"", 0, 1, {}});
  EXPECT_NEAR(chart.x(0.01), 100.0, 1e-9);
  EXPECT_NEAR(chart.x(0.1), 200.0, 1e-9);
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
