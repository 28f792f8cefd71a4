#include "pipeline/lidc/lidc_nodules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <opencv2/core.hpp>

#include "tests/pipeline/support/lidc_files.h"

namespace pulmo::pipeline {
namespace {

using testing::diamond;
using ::testing::ElementsAre;
using testing::MarkXml;
using testing::reading_xml;

ReaderMark mark_at(std::size_t reader, double x, double z = 0.0) {
  ReaderMark mark;
  mark.reader = reader;
  mark.points_mm = {{x, 0.0, z}, {x + 1.0, 0.0, z}};
  return mark;
}

CtSeries series_of(int slices, double spacing = 2.0) {
  CtSeries series;
  series.rows = series.columns = 64;
  series.row_spacing_mm = series.column_spacing_mm = 0.5;
  series.slice_thickness_mm = series.slice_spacing_mm = spacing;
  for (int i = 0; i < slices; ++i) {
    const double z = spacing * i;
    series.slices.push_back({0, "uid-" + std::to_string(i), i, z, z});
  }
  return series;
}

MarkXml mark_on(const std::vector<std::pair<std::string, double>>& slices, int x = 20, int radius = 5) {
  MarkXml mark;
  mark.centre_x = x;
  mark.centre_y = 30;
  mark.radius = radius;
  mark.slices = slices;
  return mark;
}

SeriesMarks place(const std::vector<std::vector<MarkXml>>& sessions, const CtSeries& series, Ledger& ledger) {
  const auto reading = parse_lidc_xml(as_bytes(reading_xml("1", sessions)), "r.xml");
  return place_reading(*reading, series, ledger);
}

TEST(ConsensusMalignancy, FollowsItsRule) {
  EXPECT_EQ(consensus_malignancy({4, 3}, MalignancyRule::kMedian), 3.5);
  EXPECT_EQ(consensus_malignancy({4, 3}, MalignancyRule::kMedianHigh), 4.0);
  EXPECT_EQ(consensus_malignancy({1, 5, 3}, MalignancyRule::kMedian), 3.0);
  EXPECT_EQ(consensus_malignancy({1, 5, 5, 2}, MalignancyRule::kMean), 3.25);
  EXPECT_EQ(consensus_malignancy({5, 5, 5, 4}, MalignancyRule::kMedian), 5.0);
}

TEST(Clusters, JoinMarksWithinTheToleranceThroughNeighbours) {
  const std::vector<ReaderMark> marks{mark_at(0, 0), mark_at(1, 10), mark_at(2, 3), mark_at(3, 13.5)};
  const Clusters clusters = cluster_marks(marks, 2.5);  // 0..1 and 3..4 are 2 apart, 10..11 and 13.5 just 2.5
  EXPECT_THAT(clusters.members, ElementsAre(ElementsAre(0, 2), ElementsAre(1, 3)));
  EXPECT_FALSE(clusters.ambiguous);
}

TEST(Clusters, ShrinkTheToleranceWhileACrowdHasMoreThanFourMembers) {
  std::vector<ReaderMark> marks;
  for (std::size_t i = 0; i < 4; ++i) marks.push_back(mark_at(i, 0.1 * static_cast<double>(i)));
  for (std::size_t i = 0; i < 4; ++i) marks.push_back(mark_at(i, 3.0 + 0.1 * static_cast<double>(i)));
  const Clusters clusters = cluster_marks(marks, 2.5);  // the two groups are 1.7 apart
  EXPECT_THAT(clusters.members, ElementsAre(ElementsAre(0, 1, 2, 3), ElementsAre(4, 5, 6, 7)));
  EXPECT_NEAR(clusters.tolerance_mm, 2.5 * 0.9 * 0.9 * 0.9 * 0.9, 1e-12);
}

TEST(Clusters, ReportACrowdThatCannotBeParted) {
  std::vector<ReaderMark> marks;
  for (std::size_t i = 0; i < 5; ++i) marks.push_back(mark_at(i, 0.0));
  const Clusters clusters = cluster_marks(marks, 2.5);
  EXPECT_EQ(clusters.members.size(), 1U);
  EXPECT_TRUE(clusters.ambiguous);
}

TEST(Clusters, AreNoneWithoutMarks) {
  EXPECT_TRUE(cluster_marks({}, 2.5).members.empty());
}

TEST(PlaceReading, FindsSlicesBySopUidBeforePosition) {
  Ledger ledger;
  const CtSeries series = series_of(5);
  const SeriesMarks marks = place({{mark_on({{"uid-3", 0.0}})}}, series, ledger);
  ASSERT_EQ(marks.nodules.size(), 1U);
  EXPECT_THAT(marks.marked, ElementsAre(false, false, false, true, false));
}

TEST(PlaceReading, FindsSlicesByPositionWithinHalfTheSpacing) {
  Ledger ledger;
  const CtSeries series = series_of(5);
  const SeriesMarks marks = place({{mark_on({{"other", 2.9}, {"other", 4.99}})}}, series, ledger);
  EXPECT_THAT(marks.marked, ElementsAre(false, true, true, false, false));
  EXPECT_EQ(ledger.problems().total(), 0);
}

TEST(PlaceReading, CountsMarksThatLieOnNoSlice) {
  Ledger ledger;
  const SeriesMarks marks = place({{mark_on({{"other", 30.0}})}}, series_of(5), ledger);
  EXPECT_TRUE(marks.nodules.empty());
  EXPECT_EQ(ledger.problems().count("unmatched_roi"), 1);
  EXPECT_THAT(marks.lost_z_mm, ElementsAre(30.0));
}

TEST(PlaceReading, MarksSmallNodulesNonNodulesAndUnratedOutlinesWithoutConsensus) {
  Ledger ledger;
  MarkXml small = mark_on({{"uid-0", 0}});
  small.kind = "small";
  MarkXml non_nodule = mark_on({{"uid-2", 0}});
  non_nodule.kind = "non_nodule";
  MarkXml unrated = mark_on({{"uid-4", 0}});
  unrated.malignancy = 0;
  const SeriesMarks marks = place({{small, non_nodule, unrated}}, series_of(5), ledger);
  EXPECT_TRUE(marks.nodules.empty());
  EXPECT_THAT(marks.marked, ElementsAre(true, false, true, false, true));
  EXPECT_EQ(ledger.notes().count("unrated_mark"), 1);
  EXPECT_EQ(ledger.problems().total(), 0);
}

TEST(PlaceReading, CountsContoursThatLeaveTheImageAndClipsThem) {
  Ledger ledger;
  const CtSeries series = series_of(3);
  const SeriesMarks marks = place({{mark_on({{"uid-1", 2.0}}, 62)}}, series, ledger);
  EXPECT_EQ(ledger.problems().count("contour_outside_image"), 1);
  const BoxMask mask = consensus_mask(marks.nodules.at(0), 1, {64, 64});
  EXPECT_LE(mask.box.br().x, 64);
  EXPECT_GT(cv::countNonZero(mask.mask), 0);
}

TEST(Consensus, IsWhereAtLeastHalfOfTheReadersOutlined) {
  Ledger ledger;
  const CtSeries series = series_of(3);
  // Radius r encloses the 2r(r-1)+1 pixels with |dx|+|dy| < r.
  const std::vector<std::pair<std::string, double>> on{{"uid-1", 2.0}};
  const SeriesMarks three = place({{mark_on(on, 20, 3)}, {mark_on(on, 20, 5)}, {mark_on(on, 20, 7)}}, series, ledger);
  EXPECT_THAT(consensus_area(three.nodules.at(0), {64, 64}), ElementsAre(std::pair<std::size_t, int>(1, 41)));
  const SeriesMarks two = place({{mark_on(on, 20, 3)}, {mark_on(on, 20, 5)}}, series, ledger);
  EXPECT_THAT(consensus_area(two.nodules.at(0), {64, 64}), ElementsAre(std::pair<std::size_t, int>(1, 41)));
  const BoxMask counts = reader_counts(three.nodules.at(0), 1, {64, 64});
  EXPECT_EQ(cv::countNonZero(counts.mask == 3), 13);
  EXPECT_EQ(cv::countNonZero(counts.mask == 1), 85 - 41);
}

TEST(Consensus, IsNoneOnASliceThatTooFewReadersOutlined) {
  Ledger ledger;
  const std::vector<std::vector<MarkXml>> sessions{
      {mark_on({{"uid-1", 2.0}, {"uid-2", 4.0}})}, {mark_on({{"uid-1", 2.0}})}, {mark_on({{"uid-1", 2.0}})}};
  const SeriesMarks marks = place(sessions, series_of(4), ledger);
  EXPECT_EQ(consensus_area(marks.nodules.at(0), {64, 64}).size(), 1U);
  EXPECT_TRUE(marks.marked[2]);
}

TEST(Consensus, LeavesHolesAndTheirOutlineOut) {
  Nodule nodule;
  ReaderMark mark;
  mark.rois = {{0, true, diamond(20, 20, 8)}, {0, false, diamond(20, 20, 3)}};
  mark.points_mm = {{0, 0, 0}};
  nodule.marks = {mark};
  const auto area = consensus_area(nodule, {64, 64});
  EXPECT_EQ(area.at(0), 113 - 25);  // 2*8*7+1 inside the contour, 2*4*3+1 inside or on the hole
}

TEST(Consensus, CountsTwoMarksOfOneReaderAsOneReader) {
  Nodule nodule;
  for (const int x : {20, 22}) {
    ReaderMark mark;
    mark.reader = 2;
    mark.ratings.values.fill(x == 20 ? 5 : 2);
    mark.rois = {{0, true, diamond(x, 20, 4)}};
    nodule.marks.push_back(mark);
  }
  EXPECT_EQ(nodule.readers(), 1U);
  EXPECT_THAT(nodule.malignancies(), ElementsAre(5, 2));
  double highest = 0;
  cv::minMaxLoc(reader_counts(nodule, 0, {64, 64}).mask, nullptr, &highest);
  EXPECT_EQ(highest, 1.0);
}

}  // namespace
}  // namespace pulmo::pipeline
