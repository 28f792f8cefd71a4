#include "core/model/feature_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "core/model/platt.h"
#include "core/support/seed.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

/// Patients of 1 to 9 samples, each of one class; a third of them positive.
FeatureRows make_rows(int patients) {
  Random random(7);
  FeatureRows rows;
  for (int p = 0; p < patients; ++p) {
    const auto samples = 1 + random.below(9);
    for (std::uint64_t i = 0; i < samples; ++i) {
      rows.labels.push_back(p % 3 == 0 ? 1 : 0);
      rows.patients.push_back(std::to_string(p));
    }
  }
  rows.features = cv::Mat::zeros(static_cast<int>(rows.labels.size()), 2, CV_32F);
  return rows;
}

TEST(GroupedFolds, KeepPatientsWholeAndClassesBalanced) {
  const FeatureRows rows = make_rows(150);
  const std::vector<int> fold_of = grouped_folds(rows, 5, 11);
  std::map<std::string, std::set<int>> folds_of_patient;
  std::map<int, std::array<double, 2>> held;
  for (std::size_t i = 0; i < fold_of.size(); ++i) {
    folds_of_patient[rows.patients[i]].insert(fold_of[i]);
    held[fold_of[i]][static_cast<std::size_t>(rows.labels[i])] += 1.0;
  }
  for (const auto& [patient, folds] : folds_of_patient) EXPECT_EQ(folds.size(), 1U);
  ASSERT_EQ(held.size(), 5U);
  for (std::size_t label : {0U, 1U}) {
    const auto total = static_cast<double>(std::count(rows.labels.begin(), rows.labels.end(), static_cast<int>(label)));
    for (const auto& [fold, counts] : held) EXPECT_NEAR(counts[label] / total, 0.2, 0.03) << "class " << label;
  }
}

TEST(GroupedFolds, FollowTheSeed) {
  const FeatureRows rows = make_rows(60);
  EXPECT_EQ(grouped_folds(rows, 4, 1), grouped_folds(rows, 4, 1));
  EXPECT_NE(grouped_folds(rows, 4, 1), grouped_folds(rows, 4, 2));
}

TEST(GroupedFolds, AreNoMoreThanThePatientsOfTheRarestClass) {
  const FeatureRows rows = make_rows(9);  // three patients are positive
  const std::vector<int> fold_of = grouped_folds(rows, 10, 1);
  EXPECT_EQ(*std::max_element(fold_of.begin(), fold_of.end()), 2);
}

TEST(PlattAndRocAuc, AgreeWithScikitLearn) {
  const testing::TempDir directory;
  for (const double overlap : {0.5, 2.0}) {
    Random random(3);
    std::vector<double> decisions;
    std::vector<bool> positive;
    std::ofstream lines(directory / "decisions.txt");
    for (int i = 0; i < 400; ++i) {
      positive.push_back(random.uniform() < 0.3);
      decisions.push_back(std::round(20.0 * random.normal(positive.back() ? 1.0 : -1.0, overlap)) / 20.0);  // with ties
      lines << decisions.back() << " " << positive.back() << "\n";
    }
    lines.close();
    const auto script = testing::source_dir() / "tests/golden/svm_parts_golden.py";
    const auto result = testing::run_process({testing::python(), script, directory / "decisions.txt"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    double slope = 0.0;
    double offset = 0.0;
    double auc = 0.0;
    std::istringstream(result.out) >> slope >> offset >> auc;
    const PlattScaling scaling = fit_platt(decisions, positive);
    EXPECT_NEAR(scaling.slope, slope, 1e-4 * std::abs(slope));
    EXPECT_NEAR(scaling.offset, offset, 1e-4);
    EXPECT_NEAR(roc_auc(decisions, positive), auc, 1e-11);
  }
}

TEST(Platt, StaysFiniteOnPerfectlySeparatedValues) {
  const PlattScaling scaling = fit_platt({-1000.0, -900.0, 900.0, 1000.0}, {false, false, true, true});
  EXPECT_TRUE(std::isfinite(scaling.slope) && std::isfinite(scaling.offset));
  EXPECT_GT(scaling.probability(1000.0), 0.5);
  EXPECT_LT(scaling.probability(-1000.0), 0.5);
  EXPECT_EQ(PlattScaling{}.probability(-1e6), 0.0);
  EXPECT_EQ(PlattScaling{}.probability(1e6), 1.0);
}

TEST(RocAuc, IsOneHalfWhenOneKindIsMissing) {
  EXPECT_EQ(roc_auc({0.1, 0.9}, {true, true}), 0.5);
  EXPECT_EQ(roc_auc({}, {}), 0.5);
}

}  // namespace
}  // namespace pulmo
