#include "training/evaluation/fold_pool.h"

#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "core/support/atomic_file.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"
#include "tests/training/evaluation/random_predictions.h"

namespace pulmo::training {
namespace {

const ClassList kTwo{{"normal", "malignant"}, 1};

FoldResult fold_result(std::uint64_t seed, double threshold) {
  auto test = testing::random_predictions({.patients = 6, .seed = seed});
  for (Prediction& one : test) one.patient.append("/").append(std::to_string(seed));
  RunFacts facts;
  facts.row = "svm";
  facts.classes = kTwo;
  facts.threshold = threshold;
  facts.identity = std::to_string(seed);
  facts.epochs = 3;
  facts.seconds = 2.5;
  facts.bootstrap = {25, 0.95, 4};
  const auto validation = testing::random_predictions({.seed = seed + 100});
  return {make_report(facts, {{"validation", validation}, {"test", test}}), test};
}

RunReport report_of_area(double area) {
  RunReport report;
  SplitReport& validation = report.splits.emplace_back();
  validation.split = "validation";
  validation.levels[0].metrics.values[static_cast<std::size_t>(Metric::kRocAuc)] = area;
  SplitReport test = validation;
  test.split = "test";
  report.splits.push_back(test);
  return report;
}

TEST(FoldPool, EveryFigureAgreesWithScikitLearnAtEachFoldsOwnThreshold) {
  const PooledFolds pooled = pool_folds({fold_result(1, 0.2), fold_result(2, 0.5), fold_result(3, 0.8)});
  const pulmo::testing::TempDir folder;
  write_predictions(folder / "predictions.csv", kTwo, {{"test", pooled.test}}, true);
  write_file_atomically(folder / "metrics.json", to_json(pooled.report));
  const auto twin = pulmo::testing::run_process(
      {pulmo::testing::python(), pulmo::testing::source_dir() / "tests/golden/training_statistics_twin.py", "metrics",
       folder.path()});
  EXPECT_EQ(twin.exit_code, 0) << twin.out << twin.err;
}

TEST(FoldPool, AddsUpWhatTheFoldsCost) {
  const PooledFolds pooled = pool_folds({fold_result(1, 0.2), fold_result(2, 0.5)});
  EXPECT_EQ(pooled.report.facts.epochs, 6);
  EXPECT_DOUBLE_EQ(pooled.report.facts.seconds, 5.0);
  ASSERT_EQ(pooled.report.facts.folds.size(), 2U);
  EXPECT_DOUBLE_EQ(pooled.report.facts.folds[1].threshold, 0.5);
  EXPECT_EQ(pooled.test.size(), 72U);
}

TEST(FoldPool, TheMedianFoldStandsForAll) {
  const auto median = [](const std::vector<double>& areas) {
    std::vector<RunReport> folds;
    for (const double area : areas) folds.push_back(report_of_area(area));
    return median_fold(folds);
  };
  EXPECT_EQ(median({0.9, 0.7, 0.8}), 2U);
  EXPECT_EQ(median({0.9, 0.7, 0.8, 0.6}), 1U);
  EXPECT_EQ(median({0.8, 0.8, 0.8}), 0U);
  EXPECT_EQ(median({NAN, 0.7, 0.9}), 1U);
}

TEST(FoldPool, SpreadIsMeanAndSampleDeviation) {
  const Spread spread =
      fold_spread({report_of_area(0.8), report_of_area(0.9), report_of_area(NAN), report_of_area(0.85)}, Level::kSample,
                  Metric::kRocAuc);
  EXPECT_NEAR(spread.mean, 0.85, 1e-12);
  EXPECT_NEAR(spread.deviation, 0.05, 1e-12);
  EXPECT_TRUE(std::isnan(fold_spread({report_of_area(0.8)}, Level::kSample, Metric::kRocAuc).deviation));
  EXPECT_TRUE(std::isnan(fold_spread({report_of_area(NAN)}, Level::kSample, Metric::kRocAuc).mean));
}

}  // namespace
}  // namespace pulmo::training
