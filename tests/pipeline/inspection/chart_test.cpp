#include "pipeline/inspection/chart.h"

#include <gmock/gmock.h>

#include <cmath>
#include <pugixml.hpp>

namespace pulmo::pipeline {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Distribution of(double bin, std::initializer_list<std::pair<double, int>> counts) {
  Distribution distribution(bin);
  for (const auto& [value, count] : counts) distribution.add(value, count);
  return distribution;
}

pugi::xml_document parsed(const std::string& svg) {
  pugi::xml_document document;
  EXPECT_TRUE(document.load_string(svg.c_str())) << svg;
  return document;
}

struct Bar {
  std::string title;
  double width = 0.0, height = 0.0;
};

std::vector<Bar> bars_of(const std::string& svg) {
  std::vector<Bar> bars;
  const pugi::xml_document document = parsed(svg);
  for (const auto& found : document.select_nodes("//rect")) {
    bars.push_back({found.node().child_value("title"), found.node().attribute("width").as_double(),
                    found.node().attribute("height").as_double()});
  }
  return bars;
}

TEST(Histogram, HasABarOfRightHeightForEachOfFewValues) {
  const auto bars = bars_of(
      histogram_svg({"Thickness", "mm", "series"}, {{"series", "plain", of(0.05, {{1.25, 3}, {2.5, 12}, {3.0, 6}})}}));
  ASSERT_THAT(bars, SizeIs(3));
  EXPECT_EQ(bars[0].title, "1.25: 3");
  EXPECT_EQ(bars[1].title, "2.5: 12");
  EXPECT_THAT(bars[0].height / bars[1].height, DoubleNear(0.25, 0.01));
  EXPECT_THAT(bars[2].height / bars[1].height, DoubleNear(0.5, 0.01));
}

TEST(Histogram, JoinsBinsWhereThereAreManyAndLosesNothing) {
  Distribution many(0.01);
  for (int i = 0; i < 100; ++i) many.add(0.4 + 0.01 * i, 2);
  const auto bars = bars_of(histogram_svg({"Spacing", "mm", "series"}, {{"series", "plain", many}}));
  EXPECT_LE(bars.size(), 36U);
  int sum = 0;
  for (const Bar& bar : bars) sum += std::stoi(bar.title.substr(bar.title.find(": ") + 2));
  EXPECT_EQ(sum, 200);
}

TEST(Histogram, ComparesLayersOfDifferentSizeByTheirShares) {
  const std::string svg = histogram_svg({"Lung", "share", "share of each class"},
                                        {{"normal", "other0", of(0.1, {{0.2, 100}, {0.3, 300}})},
                                         {"malignant", "positive", of(0.1, {{0.2, 1}, {0.3, 3}})}});
  const auto bars = bars_of(svg);
  ASSERT_THAT(bars, SizeIs(2));
  EXPECT_EQ(bars[0].title, "0.2: normal 25 %, malignant 25 %");
  EXPECT_EQ(bars[1].title, "0.3: normal 75 %, malignant 75 %");
  const auto document = parsed(svg);
  const auto paths = document.select_nodes("//path");
  ASSERT_EQ(paths.size(), 2U);
  EXPECT_STREQ(paths[0].node().attribute("d").value(), paths[1].node().attribute("d").value());
}

TEST(Histogram, SaysItsNumbersForThoseWhoCannotSeeIt) {
  const auto document = parsed(
      histogram_svg({"A < B & \"C\"", "mm", "series"}, {{"series", "plain", of(0.5, {{1.0, 1}, {2.0, 1}, {4.5, 1}})}}));
  const std::string words = document.first_child().attribute("aria-label").value();
  EXPECT_EQ(words, "A < B & \"C\". series: median 2, 1 to 4.5 (3)");
}

TEST(Histogram, IsNothingForNothing) {
  EXPECT_THAT(histogram_svg({"Empty", "mm", "series"}, {{"series", "plain", Distribution(1.0)}}), IsEmpty());
}

TEST(Histogram, CopesWithNegativeValuesAndOneValueOnly) {
  EXPECT_THAT(bars_of(histogram_svg({"HU", "HU", "pixels"}, {{"normal", "other0", of(25, {{-1000, 5}})}})), SizeIs(1));
  Distribution hu(25.0);
  for (int v = -1100; v <= 900; v += 25) hu.add(v, 10);
  EXPECT_THAT(histogram_svg({"HU", "HU", "pixels"}, {{"normal", "other0", hu}, {"malignant", "positive", hu}}),
              HasSubstr(">-1000</text>"));
}

TEST(StackedBars, DividesBarsInProportion) {
  const std::string svg =
      stacked_bars_svg({"slices in each part", "slices", ""}, {{"normal", "other0"}, {"malignant", "positive"}},
                       {{"train", {1200, 400}}, {"test", {400, 0}}});
  const auto bars = bars_of(svg);
  ASSERT_THAT(bars, SizeIs(3));
  EXPECT_EQ(bars[0].title, "normal: 1,200");
  EXPECT_THAT(bars[1].width / bars[0].width, DoubleNear(1.0 / 3.0, 0.01));
  EXPECT_THAT(bars[2].width / bars[0].width, DoubleNear(1.0 / 3.0, 0.01));
  EXPECT_THAT(svg, HasSubstr("train: 1,200 normal, 400 malignant; test: 400 normal, 0 malignant"));
}

TEST(StackedBars, IsNothingForNothing) {
  EXPECT_THAT(stacked_bars_svg({"none", "slices", ""}, {{"normal", "other0"}}, {{"train", {0}}}), IsEmpty());
}

}  // namespace
}  // namespace pulmo::pipeline
