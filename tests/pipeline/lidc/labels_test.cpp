#include "pipeline/lidc/labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/support/seed.h"
#include "tests/pipeline/support/lidc_files.h"

namespace pulmo::pipeline {
namespace {

using ::testing::ElementsAre;

/// Ten slices, 2 mm apart.
CtSeries ten_slices() {
  CtSeries series;
  series.rows = series.columns = 64;
  series.slice_spacing_mm = 2.0;
  for (int i = 0; i < 10; ++i) series.slices.push_back({0, std::to_string(i), i, 2.0 * i, 2.0 * i});
  return series;
}

/// A nodule that each of the readers outlined on the same slices.
Nodule nodule_on(const std::vector<std::size_t>& slices, const std::vector<int>& malignancies) {
  Nodule nodule;
  for (std::size_t reader = 0; reader < malignancies.size(); ++reader) {
    ReaderMark mark;
    mark.reader = reader;
    mark.ratings.values.fill(malignancies[reader]);
    for (const std::size_t slice : slices) mark.rois.push_back({slice, true, testing::diamond(30, 30, 4)});
    nodule.marks.push_back(mark);
  }
  return nodule;
}

SeriesMarks marks_of(std::vector<Nodule> nodules, const std::vector<std::size_t>& strays = {}) {
  SeriesMarks marks;
  marks.marked.assign(10, false);
  for (const Nodule& nodule : nodules) {
    for (const PlacedRoi& roi : nodule.marks.front().rois) marks.marked[roi.slice] = true;
  }
  for (const std::size_t slice : strays) marks.marked[slice] = true;
  marks.nodules = std::move(nodules);
  return marks;
}

std::vector<std::string> verdicts(const SeriesMarks& marks, const LabelOptions& options) {
  std::vector<std::string> words;
  for (const SliceVerdict& verdict : judge_slices(ten_slices(), marks, options)) {
    const char* names[] = {"normal", "benign", "malignant", ""};
    words.push_back(verdict.kind == SliceKind::kLeftOut ? verdict.reason : names[static_cast<int>(verdict.kind)]);
  }
  return words;
}

TEST(Labels, CallMalignantWhatCutsAMalignantConsensusAndNormalWhatIsFarFromAnyMark) {
  LabelOptions options;
  options.margin_mm = 4.0;
  EXPECT_THAT(verdicts(marks_of({nodule_on({4, 5}, {5, 4})}), options),
              ElementsAre("normal", "normal", "near_mark", "near_mark", "malignant", "malignant", "near_mark",
                          "near_mark", "normal", "normal"));
}

TEST(Labels, LeaveOutBenignUndecidedAndDisputedSlices) {
  LabelOptions options;
  options.margin_mm = 0.0;
  EXPECT_THAT(verdicts(marks_of({nodule_on({0}, {2}), nodule_on({2}, {3, 3}), nodule_on({4}, {2, 4})}, {6}), options),
              ElementsAre("benign_nodule", "normal", "undecided_nodule", "normal", "undecided_nodule", "normal",
                          "mark_without_consensus", "normal", "normal", "normal"));
}

TEST(Labels, CallNothingNormalBesideAMarkWhoseSliceIsMissing) {
  LabelOptions options;
  options.margin_mm = 4.0;
  SeriesMarks marks = marks_of({});
  marks.lost_z_mm = {ten_slices().slices[2].z_mm + 1.25};
  EXPECT_THAT(verdicts(marks, options), ElementsAre("normal", "near_mark", "near_mark", "near_mark", "near_mark",
                                                    "normal", "normal", "normal", "normal", "normal"));
}

TEST(Labels, MakeBenignAClassWhenAsked) {
  LabelOptions options;
  options.margin_mm = 0.0;
  options.benign_class = true;
  EXPECT_THAT(verdicts(marks_of({nodule_on({0, 1, 2}, {2}), nodule_on({1}, {5}), nodule_on({2}, {3})}), options),
              ElementsAre("benign", "malignant", "undecided_nodule", "normal", "normal", "normal", "normal", "normal",
                          "normal", "normal"));
}

TEST(Labels, LeaveOutNodulesOfTooFewReaders) {
  LabelOptions options;
  options.margin_mm = 0.0;
  options.min_readers = 3;
  EXPECT_EQ(verdicts(marks_of({nodule_on({0}, {5, 5})}), options)[0], "too_few_readers");
  EXPECT_EQ(verdicts(marks_of({nodule_on({0}, {5, 5, 5})}), options)[0], "malignant");
}

TEST(Labels, AskForAMinimumOfConsensusPixels) {
  LabelOptions options;
  options.min_nodule_px = 26;  // the diamond of radius 4 encloses 25
  EXPECT_EQ(verdicts(marks_of({nodule_on({0}, {5})}), options)[0], "mark_without_consensus");
}

std::vector<AxialSlice> slices_with_heights(std::size_t count, double low, double high, std::size_t patients,
                                            std::uint64_t seed) {
  Random random(seed);
  std::vector<AxialSlice> slices;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t patient = i % patients;
    slices.push_back({patient, i, random.uniform(low, high), patient});
  }
  return slices;
}

TEST(MatchNormals, FollowsTheHeightsOfTheMalignantSlices) {
  const auto malignant = slices_with_heights(200, 0.4, 0.9, 20, 1);
  const auto candidates = slices_with_heights(5000, 0.0, 1.0, 50, 2);
  const auto picks = match_normals(malignant, candidates, {}, "train");
  ASSERT_EQ(picks.size(), 200U);
  std::map<int, int> difference;
  for (const AxialSlice& slice : malignant) ++difference[static_cast<int>(slice.height * 20)];
  for (const NormalPick& pick : picks) --difference[static_cast<int>(pick.slice.height * 20)];
  for (const auto& [bin, count] : difference) EXPECT_EQ(count, 0) << "bin " << bin;
}

TEST(MatchNormals, DrawsNoSliceTwiceAlternatesIncluded) {
  const auto malignant = slices_with_heights(60, 0.2, 0.8, 6, 3);
  const auto candidates = slices_with_heights(300, 0.0, 1.0, 10, 4);
  std::set<std::pair<std::size_t, std::size_t>> drawn;
  std::size_t total = 0;
  for (const NormalPick& pick : match_normals(malignant, candidates, {}, "train")) {
    drawn.emplace(pick.slice.series, pick.slice.slice);
    for (const AxialSlice& slice : pick.alternates) drawn.emplace(slice.series, slice.slice);
    total += 1 + pick.alternates.size();
  }
  EXPECT_EQ(drawn.size(), total);
  EXPECT_GT(total, 60U);
}

TEST(MatchNormals, SpreadsDrawsOverPatients) {
  LabelOptions options;
  options.axial_bins = 1;
  const auto malignant = slices_with_heights(20, 0.0, 1.0, 1, 5);
  const auto candidates = slices_with_heights(1000, 0.0, 1.0, 20, 6);
  std::set<std::size_t> patients;
  for (const NormalPick& pick : match_normals(malignant, candidates, options, "x")) patients.insert(pick.slice.patient);
  EXPECT_EQ(patients.size(), 20U);
}

TEST(MatchNormals, TakesFromTheNearestBinsWhereOneHasTooFew) {
  LabelOptions options;
  options.axial_bins = 10;
  const std::vector<AxialSlice> malignant(3, AxialSlice{0, 0, 0.55, 0});
  const std::vector<AxialSlice> candidates{{1, 1, 0.05, 1}, {1, 2, 0.57, 1}, {1, 3, 0.45, 1}, {1, 4, 0.95, 1}};
  std::set<std::size_t> slices;
  for (const NormalPick& pick : match_normals(malignant, candidates, options, "x")) slices.insert(pick.slice.slice);
  EXPECT_EQ(slices, (std::set<std::size_t>{2, 3, 4}));
}

TEST(MatchNormals, DrawsTheAskedMultiple) {
  LabelOptions options;
  options.normals_per_malignant = 1.5;
  const auto malignant = slices_with_heights(41, 0.2, 0.8, 6, 7);
  const auto candidates = slices_with_heights(1000, 0.0, 1.0, 10, 8);
  EXPECT_EQ(match_normals(malignant, candidates, options, "x").size(), 62U);
}

TEST(MatchNormals, DependsOnTheSeedAlone) {
  const auto malignant = slices_with_heights(30, 0.2, 0.8, 6, 9);
  const auto candidates = slices_with_heights(400, 0.0, 1.0, 10, 10);
  const auto drawn = [&](std::uint64_t seed) {
    LabelOptions options;
    options.seed = seed;
    std::vector<std::size_t> slices;
    for (const NormalPick& pick : match_normals(malignant, candidates, options, "x"))
      slices.push_back(pick.slice.slice);
    return slices;
  };
  EXPECT_EQ(drawn(1), drawn(1));
  EXPECT_NE(drawn(1), drawn(2));
}

}  // namespace
}  // namespace pulmo::pipeline
