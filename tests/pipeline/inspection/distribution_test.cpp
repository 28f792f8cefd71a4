#include "pipeline/inspection/distribution.h"

#include <gmock/gmock.h>

#include <limits>

#include "pipeline/inspection/measures.h"

namespace pulmo::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(Distribution, CountsValuesInTheNearestBin) {
  Distribution values(0.25);
  for (const double value : {1.0, 1.1, 1.13, 2.5, -0.2}) values.add(value);
  EXPECT_THAT(values.counts(), ElementsAre(Pair(-1, 1), Pair(4, 2), Pair(5, 1), Pair(10, 1)));
  EXPECT_EQ(values.total(), 5);
}

TEST(Distribution, LeavesOutWhatIsNoNumber) {
  Distribution values(1.0);
  values.add(std::numeric_limits<double>::quiet_NaN());
  values.add(std::numeric_limits<double>::infinity());
  EXPECT_EQ(values.total(), 0);
  EXPECT_EQ(values.quantile(0.5), 0.0);
}

TEST(Distribution, KnowsItsQuantiles) {
  Distribution values(0.1);
  for (int i = 1; i <= 9; ++i) values.add(0.1 * i);
  EXPECT_DOUBLE_EQ(values.quantile(0.0), 0.1);
  EXPECT_DOUBLE_EQ(values.quantile(0.5), 0.5);
  EXPECT_DOUBLE_EQ(values.quantile(1.0), 0.9);
}

TEST(Statistics, CountValuesBeyondTheRangeAtItsEnd) {
  Statistics statistics;
  statistics.add(measure::kPixelsHu, "normal", -9000.0);
  statistics.add(measure::kPixelsHu, "normal", 31000.0, 2);
  EXPECT_THAT(statistics.values.at("pixels_hu").at("normal").counts(), ElementsAre(Pair(-44, 1), Pair(60, 2)));
}

TEST(Statistics, MergeByAdditionInAnyOrder) {
  Statistics a;
  a.add(measure::kLungFraction, "normal", 0.3);
  a.scanners["X"] = 1;
  Statistics b;
  b.add(measure::kLungFraction, "normal", 0.3);
  b.add(measure::kLungFraction, "malignant", 0.4);
  b.scanners = {{"X", 2}, {"Y", 1}};
  Statistics ab = a;
  ab.merge(b);
  Statistics ba = b;
  ba.merge(a);
  EXPECT_EQ(YAML::Dump(to_yaml(ab)), YAML::Dump(to_yaml(ba)));
  EXPECT_EQ(ab.values.at("lung_fraction").at("normal").total(), 2);
  EXPECT_EQ(ab.scanners.at("X"), 3);
}

TEST(Statistics, ReadBackWhatTheyWrite) {
  Statistics statistics;
  statistics.add(measure::kPixelSpacing, "series", 0.703125);
  statistics.add(measure::kPixelsHu, "normal", -1000.0, 7);
  statistics.add(measure::kMeanIntensity, "on", 0.06, 3);  // a word that YAML takes for a truth value
  statistics.scanners["GE MEDICAL SYSTEMS: LightSpeed #1"] = 4;
  const std::string text = YAML::Dump(to_yaml(statistics));
  EXPECT_THAT(text, ::testing::HasSubstr("{0.7: 1}"));
  const Statistics back = statistics_from_yaml(YAML::Load(text));
  EXPECT_EQ(YAML::Dump(to_yaml(back)), text);
  EXPECT_EQ(back.values.at("mean_intensity").at("on").counts(),
            statistics.values.at("mean_intensity").at("on").counts());
}

TEST(Statistics, AreEmptyWhereAReportHasNone) {
  EXPECT_TRUE(statistics_from_yaml(YAML::Node()).values.empty());
  EXPECT_TRUE(statistics_from_yaml(YAML::Load("{}")["statistics"]).values.empty());
}

}  // namespace
}  // namespace pulmo::pipeline
