#include "pipeline/plan/slice_plan.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace pulmo::pipeline {
namespace {

/// Normal series of `patients` patients, three of five by one maker, two by another.
std::vector<ReadSeries> archive_of(int patients) {
  std::vector<ReadSeries> archive;
  for (int p = 0; p < patients; ++p) {
    ReadSeries read;
    read.series.patient = std::to_string(100 + p);
    read.series.series_uid = std::to_string(1000 + p);
    read.series.manufacturer.assign(1, p % 5 < 3 ? 'A' : 'B');
    read.series.rows = read.series.columns = 64;
    for (int i = 0; i < 4; ++i) {
      SeriesSlice slice;
      slice.sop_uid = std::to_string(10 * (1000 + p) + i);
      slice.position_mm = slice.z_mm = 3.0 * i;
      read.series.slices.push_back(slice);
    }
    read.marks.marked.assign(4, false);
    archive.push_back(std::move(read));
  }
  return archive;
}

std::map<Split, std::map<std::string, int>> makers_by_part(const std::vector<ReadSeries>& archive,
                                                           const PatientSplit& split) {
  std::map<Split, std::map<std::string, int>> makers;
  for (const ReadSeries& read : archive) ++makers[split.at(read.series.patient)][read.series.manufacturer];
  return makers;
}

TEST(SlicePlan, GivesEachPartItsShareOfEveryScanner) {
  const auto archive = archive_of(100);
  LidcConfig config;
  Ledger ledger;
  const auto makers = makers_by_part(archive, plan_slices(archive, config, ledger).split);
  EXPECT_NEAR(makers.at(Split::kTest).at("A"), 12, 1);
  EXPECT_NEAR(makers.at(Split::kTest).at("B"), 8, 1);
  EXPECT_NEAR(makers.at(Split::kValidation).at("A"), 6, 1);
  EXPECT_NEAR(makers.at(Split::kValidation).at("B"), 4, 1);
}

TEST(SlicePlan, TestsEveryPatientInOneOfTheFolds) {
  const auto archive = archive_of(30);
  std::multiset<std::string> tested;
  for (int fold = 0; fold < 5; ++fold) {
    LidcConfig config;
    config.split.folds = 5;
    config.split.fold = fold;
    Ledger ledger;
    for (const auto& [patient, part] : plan_slices(archive, config, ledger).split) {
      if (part == Split::kTest) tested.insert(patient);
    }
  }
  EXPECT_EQ(tested.size(), 30U);
  EXPECT_EQ(std::set<std::string>(tested.begin(), tested.end()).size(), 30U);
}

TEST(SlicePlan, KeepsTheSplitOfAnotherRunByItsFile) {
  const auto archive = archive_of(40);
  LidcConfig config;
  Ledger ledger;
  const PatientSplit first = plan_slices(archive, config, ledger).split;
  EXPECT_EQ(parse_split_file(split_file_text(first), "split.csv"), first);
  config.seed = config.split.seed = 99;
  EXPECT_NE(plan_slices(archive, config, ledger).split, first);
}

TEST(SlicePlan, CountsNormalSlicesThatNobodyAskedFor) {
  LidcConfig config;
  Ledger ledger;
  const SlicePlan plan = plan_slices(archive_of(40), config, ledger);
  EXPECT_TRUE(plan.jobs.empty());
  EXPECT_EQ(ledger.left_out(Scope::kSlices).count("not_drawn"), 160);
}

}  // namespace
}  // namespace pulmo::pipeline
