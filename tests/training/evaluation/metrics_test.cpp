#include "training/evaluation/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "core/support/atomic_file.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"
#include "tests/training/evaluation/random_predictions.h"
#include "training/evaluation/run_report.h"

namespace pulmo::training {
namespace {

const ClassList kTwo{{"normal", "malignant"}, 1};

Prediction one(int label, double score, const std::string& patient = "P", const std::string& group = "g") {
  return {patient, group, "", label, {1.0 - score, score}};
}

// Every figure of metrics.json recomputed by scikit-learn from predictions.csv, intervals included, to 1e-9.
void expect_twin_agrees(const std::vector<Prediction>& validation, const std::vector<Prediction>& test,
                        const ClassList& classes, double threshold, SliceWeights weights = SliceWeights::kEqual) {
  const pulmo::testing::TempDir folder;
  RunFacts facts;
  facts.classes = classes;
  facts.threshold = threshold;
  facts.slice_weights = weights;
  facts.bootstrap = {15, 0.95, 5};
  const std::vector<SplitPredictions> splits = {{"validation", validation}, {"test", test}};
  write_predictions(folder / "predictions.csv", classes, splits);
  write_file_atomically(folder / "metrics.json", to_json(make_report(facts, splits)));
  const auto twin = pulmo::testing::run_process(
      {pulmo::testing::python(), pulmo::testing::source_dir() / "tests/golden/training_statistics_twin.py", "metrics",
       folder.path()});
  EXPECT_EQ(twin.exit_code, 0) << twin.out << twin.err;
}

TEST(Metrics, AgreeWithScikitLearnOnTwoClasses) {
  expect_twin_agrees(testing::random_predictions({.seed = 1}), testing::random_predictions({.skill = 0.3, .seed = 2}),
                     kTwo, 0.45);
}

TEST(Metrics, AgreeWithScikitLearnOnSlicesWeighedLikeSections) {
  expect_twin_agrees(testing::random_predictions({.classes = 3, .seed = 7}),
                     testing::random_predictions({.classes = 3, .seed = 8}), {{"benign", "malignant", "normal"}, 1},
                     0.4, SliceWeights::kSphere);
}

TEST(Metrics, AgreeWithScikitLearnOnTiedScores) {
  expect_twin_agrees(testing::random_predictions({.coarse = 0.1, .seed = 3}),
                     testing::random_predictions({.coarse = 0.25, .seed = 4}), kTwo, {0.5});
}

TEST(Metrics, AgreeWithScikitLearnOnThreeClasses) {
  expect_twin_agrees(testing::random_predictions({.classes = 3, .seed = 5}),
                     testing::random_predictions({.classes = 3, .skill = 2.0, .seed = 6}),
                     {{"benign", "malignant", "normal, or \"clear\""}, 1}, 0.4);
}

TEST(Metrics, TwinNoticesAWrongFigure) {
  const pulmo::testing::TempDir folder;
  RunFacts facts;
  facts.classes = kTwo;
  facts.bootstrap = {5, 0.95, 5};
  const std::vector<SplitPredictions> splits = {{"test", testing::random_predictions({})}};
  RunReport report = make_report(facts, splits);
  report.splits[0].levels[0].metrics.values[5] += 1e-6;
  write_predictions(folder / "predictions.csv", kTwo, splits);
  write_file_atomically(folder / "metrics.json", to_json(report));
  const auto twin = pulmo::testing::run_process(
      {pulmo::testing::python(), pulmo::testing::source_dir() / "tests/golden/training_statistics_twin.py", "metrics",
       folder.path()});
  EXPECT_EQ(twin.exit_code, 1);
  EXPECT_NE(twin.out.find("roc_auc"), std::string::npos) << twin.out;
}

TEST(Metrics, OneClassLeavesTheAreasUndefined) {
  const Metrics metrics = ScoredSet({one(1, 0.9), one(1, 0.2)}, kTwo, {0.5}).evaluate();
  EXPECT_TRUE(std::isnan(metrics[Metric::kRocAuc]));
  EXPECT_TRUE(std::isnan(metrics[Metric::kPrAuc]));
  EXPECT_TRUE(std::isnan(metrics[Metric::kSpecificity]));
  EXPECT_DOUBLE_EQ(metrics[Metric::kRecall], 0.5);
  EXPECT_DOUBLE_EQ(metrics[Metric::kAccuracy], 0.5);
}

TEST(Metrics, UndefinedFiguresAreNullInTheFile) {
  RunFacts facts;
  facts.classes = kTwo;
  facts.bootstrap = {10, 0.95, 1};
  const std::string json = to_json(make_report(facts, {{"test", {one(0, 0.1), one(0, 0.2)}}}));
  EXPECT_NE(json.find("\"roc_auc\": null"), std::string::npos) << json;
  EXPECT_NE(json.find("\"precision\": null"), std::string::npos);
  EXPECT_EQ(json.find(": nan"), std::string::npos);
}

TEST(Metrics, NothingToJudgeGivesNoFigures) {
  const Metrics metrics = ScoredSet({}, kTwo, {0.5}).evaluate();
  for (const double value : metrics.values) EXPECT_TRUE(std::isnan(value));
}

TEST(Metrics, TheThresholdItselfCountsAsPositive) {
  EXPECT_EQ(decide(std::vector<double>{0.4, 0.6}, 1, 0.6), 1);
  EXPECT_EQ(decide(std::vector<double>{0.4, 0.6}, 1, 0.61), 0);
}

TEST(Metrics, BelowTheThresholdTheLikeliestOtherClassIsDecided) {
  EXPECT_EQ(decide(std::vector<double>{0.2, 0.5, 0.3}, 1, 0.6), 2);
  EXPECT_EQ(decide(std::vector<double>{0.25, 0.5, 0.25}, 1, 0.6), 0);
}

TEST(RocCurve, RunsFromCornerToCornerWithOnePointForEachScore) {
  const auto curve = roc_curve({one(1, 0.9), one(0, 0.5), one(1, 0.5), one(0, 0.1)}, 1);
  ASSERT_EQ(curve.size(), 4U);
  EXPECT_DOUBLE_EQ(curve[0].true_positive_rate, 0.0);
  EXPECT_DOUBLE_EQ(curve[1].true_positive_rate, 0.5);
  EXPECT_DOUBLE_EQ(curve[2].false_positive_rate, 0.5);
  EXPECT_DOUBLE_EQ(curve[2].true_positive_rate, 1.0);
  EXPECT_DOUBLE_EQ(curve[3].false_positive_rate, 1.0);
}

TEST(RocCurve, IsEmptyWithoutBothClasses) {
  EXPECT_TRUE(roc_curve({one(1, 0.9)}, 1).empty());
}

TEST(Aggregate, GroupsOfTwoPatientsStayApart) {
  const auto groups =
      aggregate({one(0, 0.2, "A", "1"), one(1, 0.6, "B", "1"), one(0, 0.4, "A", "1")}, Level::kGroup, 1);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_NEAR(groups[0].probabilities[1], 0.3, 1e-15);
  EXPECT_EQ(groups[0].label, 0);
  EXPECT_EQ(groups[1].label, 1);
}

TEST(Aggregate, OnePositiveSampleMakesAPatientPositive) {
  const auto patients = aggregate({one(0, 0.2), one(0, 0.2), one(1, 0.8)}, Level::kPatient, 1);
  ASSERT_EQ(patients.size(), 1U);
  EXPECT_EQ(patients[0].label, 1);
  EXPECT_NEAR(patients[0].probabilities[1], 0.4, 1e-15);
}

TEST(Aggregate, SlicesOfANoduleCountLikeTheSectionsOfASphere) {
  const std::vector<Prediction> slices{one(1, 0.1), one(1, 0.9), one(1, 0.8)};
  const auto nodules = aggregate(slices, Level::kGroup, 1, SliceWeights::kSphere);
  ASSERT_EQ(nodules.size(), 1U);
  // Sections at -2/3, 0 and 2/3 of the radius: 5/9, 1 and 5/9. Of two classes the mean of log p is that of the
  // log-odds.
  const double odds =
      (5.0 / 9.0 * std::log(0.1 / 0.9) + std::log(0.9 / 0.1) + 5.0 / 9.0 * std::log(0.8 / 0.2)) / (19.0 / 9.0);
  EXPECT_NEAR(nodules[0].probabilities[1], 1.0 / (1.0 + std::exp(-odds)), 1e-12);
  EXPECT_NEAR(nodules[0].probabilities[0] + nodules[0].probabilities[1], 1.0, 1e-15);
  const auto patients = aggregate(slices, Level::kPatient, 1, SliceWeights::kSphere);
  EXPECT_NEAR(patients[0].probabilities[1], 0.6, 1e-15);
  EXPECT_TRUE(std::isfinite(
      aggregate({one(1, 1.0), one(1, 0.5)}, Level::kGroup, 1, SliceWeights::kSphere)[0].probabilities[0]));
}

TEST(Aggregate, KeepsEqualProbabilitiesEqualInGroupsOfAnySize) {
  std::vector<Prediction> samples;
  for (int group = 1; group <= 20; ++group) {
    for (int i = 0; i < group; ++i) samples.push_back(one(0, 1.0 / 3.0, "A", std::to_string(group)));
  }
  for (const Prediction& group : aggregate(samples, Level::kGroup, 1)) {
    EXPECT_EQ(group.probabilities[1], samples[0].probabilities[1]);
  }
  const auto nodules = aggregate(samples, Level::kGroup, 1, SliceWeights::kSphere);
  for (const Prediction& group : nodules) EXPECT_EQ(group.probabilities[1], nodules[0].probabilities[1]);
}

}  // namespace
}  // namespace pulmo::training
