#include "serving/series.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serving/report.h"

namespace pulmo::serving {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

BundleMetadata metadata_of(double threshold = 0.5) {
  BundleMetadata metadata;
  metadata.class_names = {"normal", "malignant"};
  metadata.positive_class = "malignant";
  metadata.threshold = threshold;
  return metadata;
}

/// A slice at z with that probability; below 0: refused.
PlacedSlice slice(double z_mm, double p, const std::string& series = "a") {
  PlacedSlice result;
  result.place.series = series;
  result.place.has_position = true;
  result.place.position_mm = {10.0, -20.0, z_mm};
  if (p >= 0.0) result.probabilities = {1.0 - p, p};
  return result;
}

std::vector<std::size_t> order_of(const Series& series) {
  std::vector<std::size_t> order;
  for (const auto& point : series.points) order.push_back(point.slice);
  return order;
}

TEST(FindSeries, OrdersTheSlicesTowardsTheHead) {
  const auto found = find_series({slice(5, 0.1), slice(-5, 0.2), slice(0, 0.3)}, metadata_of());
  ASSERT_EQ(found.size(), 1U);
  EXPECT_THAT(order_of(found[0]), ElementsAre(1, 2, 0));
  EXPECT_DOUBLE_EQ(found[0].spacing_mm.value(), 5.0);
  EXPECT_DOUBLE_EQ(found[0].points[0].position_mm.value(), -5.0);
}

TEST(FindSeries, OrdersFeetFirstAndTiltedSlicesToo) {
  std::vector<PlacedSlice> slices = {slice(0, 0.1), slice(3, 0.2), slice(6, 0.3)};
  for (PlacedSlice& one : slices) one.place.orientation = {-1, 0, 0, 0, 1, 0};  // the normal points to the feet
  EXPECT_THAT(order_of(find_series(slices, metadata_of())[0]), ElementsAre(0, 1, 2));
  for (PlacedSlice& one : slices) one.place.orientation = {1, 0, 0, 0, 0.8, 0.6};
  const auto tilted = find_series(slices, metadata_of())[0];
  EXPECT_THAT(order_of(tilted), ElementsAre(0, 1, 2));
  EXPECT_NEAR(tilted.spacing_mm.value(), 3 * 0.8, 1e-12);
  EXPECT_NEAR(tilt_degrees(slices[0].place), 36.8698976, 1e-6);
}

TEST(FindSeries, NeedsTwoSlicesOfOneSeries) {
  PlacedSlice picture = slice(0, 0.5, "");
  EXPECT_THAT(find_series({slice(0, 0.1), picture, picture, slice(0, 0.1, "b")}, metadata_of()), IsEmpty());
}

TEST(FindSeries, JudgesByTheHighestMeanOfThreeNeighbours) {
  const auto series = find_series(
      {slice(0, 0.9), slice(1, 0.1), slice(2, 0.2), slice(3, 0.6), slice(4, 0.7), slice(5, 0.5)}, metadata_of(0.55))[0];
  EXPECT_DOUBLE_EQ(series.points[0].smoothed.value(), 0.5);
  EXPECT_NEAR(series.points[2].smoothed.value(), 0.3, 1e-12);
  EXPECT_NEAR(series.probability.value(), 0.6, 1e-12);
  EXPECT_EQ(series.class_name, "malignant");
  ASSERT_EQ(series.suspicious.size(), 1U);
  EXPECT_EQ(series.suspicious[0].first, 4U);
  EXPECT_EQ(series.suspicious[0].last, 5U);
  EXPECT_EQ(find_series({slice(0, 0.9), slice(1, 0.1), slice(2, 0.2)}, metadata_of(0.55))[0].class_name, "normal");
}

TEST(FindSeries, LeavesRefusedSlicesOutOfTheMeans) {
  const auto series = find_series({slice(0, 0.4), slice(1, -1), slice(2, 0.8)}, metadata_of())[0];
  EXPECT_EQ(series.predicted, 2U);
  EXPECT_FALSE(series.points[1].probability);
  EXPECT_FALSE(series.points[1].smoothed);
  EXPECT_DOUBLE_EQ(series.points[0].smoothed.value(), 0.4);
  EXPECT_DOUBLE_EQ(series.probability.value(), 0.8);
  const auto none = find_series({slice(0, -1), slice(1, -1)}, metadata_of())[0];
  EXPECT_FALSE(none.probability);
  EXPECT_EQ(none.class_name, "");
}

TEST(FindSeries, DoesNotSmoothAcrossAGapAndTellsOfIt) {
  const auto series = find_series(
      {slice(0, 0.9), slice(1, 0.9), slice(2, 0.9), slice(9, 0.1), slice(10, 0.1), slice(11, 0.9)}, metadata_of())[0];
  EXPECT_DOUBLE_EQ(series.points[2].smoothed.value(), 0.9);
  EXPECT_DOUBLE_EQ(series.points[3].smoothed.value(), 0.1);
  EXPECT_THAT(series.warnings, Contains(HasSubstr("a step of 7.0 mm where most are 1.0 mm")));
  ASSERT_EQ(series.suspicious.size(), 2U);  // the most probable first
  EXPECT_EQ(series.suspicious[0].first, 0U);
  EXPECT_EQ(series.suspicious[1].first, 5U);
}

TEST(FindSeries, FallsBackToInstanceNumbers) {
  std::vector<PlacedSlice> slices = {slice(0, 0.1), slice(1, 0.2), slice(2, 0.3)};
  slices[1].place.has_position = false;
  for (std::size_t i = 0; i < 3; ++i) slices[i].place.instance_number = 9 - static_cast<std::int64_t>(i);
  const auto series = find_series(slices, metadata_of())[0];
  EXPECT_THAT(order_of(series), ElementsAre(2, 1, 0));
  EXPECT_FALSE(series.points[0].position_mm);
  EXPECT_FALSE(series.spacing_mm);
  EXPECT_THAT(series.warnings, Contains(HasSubstr("no position")));
}

TEST(FindSeries, TellsOfSlicesAtOnePlaceAndOfMixedOrientations) {
  std::vector<PlacedSlice> slices = {slice(0, 0.1), slice(0, 0.2), slice(1, 0.3), slice(2, 0.3)};
  EXPECT_THAT(find_series(slices, metadata_of())[0].warnings, Contains(HasSubstr("same place")));
  slices[2].place.orientation = {1, 0, 0, 0, 0.9, 0.43589};
  EXPECT_THAT(find_series(slices, metadata_of())[0].warnings, Contains(HasSubstr("orientation")));
}

TEST(FindSeries, WithoutAPositiveClassThereIsNoVerdict) {
  BundleMetadata metadata = metadata_of();
  metadata.positive_class = "";
  const auto series = find_series({slice(0, 0.1), slice(1, 0.2)}, metadata)[0];
  EXPECT_FALSE(series.probability);
  EXPECT_EQ(series.class_name, "");
  EXPECT_THAT(series.suspicious, IsEmpty());
}

SliceOutcome predicted(const PlacedSlice& placed) {
  Prediction prediction;
  prediction.place = placed.place;
  prediction.probabilities = placed.probabilities;
  return prediction;
}

TEST(MakeReport, GathersASeriesWhereItsFirstSliceStands) {
  const Report report =
      make_report({predicted(slice(0, 0.1, "")), predicted(slice(2, 0.2)), SliceFailure{"x", "no_lung", "", {}},
                   predicted(slice(1, 0.3)), predicted(slice(0, 0.4, "b"))},
                  metadata_of());
  std::vector<std::size_t> order;
  for (const auto& entry : report.entries) order.push_back(entry.outcome);
  EXPECT_THAT(order, ElementsAre(0, 3, 1, 2, 4));
  EXPECT_EQ(report.entries[1].series, 0U);
  EXPECT_FALSE(report.entries[4].series);
  EXPECT_THAT(order_of(report.series[0]), ElementsAre(1, 2));  // places in the report
}

}  // namespace
}  // namespace pulmo::serving
