#include "training/evaluation/paired_tests.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pulmo::training {
namespace {

// The other figures of both tests are compared with SciPy in comparison_test.cpp.

TEST(DeLong, IsUndefinedWithoutTwoOfEachClass) {
  const std::vector<double> scores = {0.1, 0.9, 0.8};
  EXPECT_TRUE(std::isnan(delong(scores, scores, {false, true, true}).p_value));
}

TEST(DeLong, FindsNoDifferenceBetweenARowAndItself) {
  const std::vector<double> scores = {0.1, 0.4, 0.35, 0.8};
  const DeLongResult result = delong(scores, scores, {false, false, true, true});
  EXPECT_DOUBLE_EQ(result.first_auc, 0.75);
  EXPECT_EQ(result.z, 0.0);
  EXPECT_EQ(result.p_value, 1.0);
}

TEST(DeLong, IsUndefinedWhereNeitherRowVaries) {
  const std::vector<double> perfect = {0.1, 0.2, 0.8, 0.9}, constant(4, 0.5);
  const DeLongResult result = delong(perfect, constant, {false, false, true, true});
  EXPECT_DOUBLE_EQ(result.first_auc, 1.0);
  EXPECT_DOUBLE_EQ(result.second_auc, 0.5);
  EXPECT_TRUE(std::isnan(result.p_value));
}

TEST(McNemar, CountsTheDiscordantPairsOnly) {
  const McNemarResult result = mcnemar({true, true, true, false, true}, {true, false, false, true, true});
  EXPECT_EQ(result.only_first, 2);
  EXPECT_EQ(result.only_second, 1);
  EXPECT_DOUBLE_EQ(result.p_value, 1.0);
  EXPECT_EQ(mcnemar({true}, {true}).p_value, 1.0);
}

TEST(McNemar, StaysExactForManyPairs) {
  std::vector<bool> first(3000, true), second(3000, false);
  for (std::size_t i = 0; i < 1400; ++i) {
    first[i] = false;
    second[i] = true;
  }
  EXPECT_NEAR(mcnemar(first, second).p_value, 0.00028, 0.00001);  // binomtest(1400, 3000) of SciPy
}

TEST(Holm, IsWhatRsPAdjustGives) {
  const std::vector<double> raw = {0.04, 0.01, 0.05, 0.02, 0.03};
  const std::vector<double> expected = {0.09, 0.05, 0.09, 0.08, 0.09};  // p.adjust(raw, "holm")
  const std::vector<double> corrected = holm(raw);
  for (std::size_t i = 0; i < raw.size(); ++i) EXPECT_NEAR(corrected[i], expected[i], 1e-12) << i;
}

TEST(Holm, NeverExceedsOneAndLeavesASingleTestAlone) {
  EXPECT_EQ(holm(std::vector<double>{0.7, 0.6}), (std::vector<double>{1.0, 1.0}));
  EXPECT_EQ(holm(std::vector<double>{0.03}), (std::vector<double>{0.03}));
  EXPECT_TRUE(holm({}).empty());
}

TEST(Holm, DoesNotCountWhatIsUndefined) {
  const std::vector<double> corrected = holm(std::vector<double>{0.02, NAN, 0.01});
  EXPECT_DOUBLE_EQ(corrected[0], 0.02);
  EXPECT_TRUE(std::isnan(corrected[1]));
  EXPECT_DOUBLE_EQ(corrected[2], 0.02);
}

}  // namespace
}  // namespace pulmo::training
