#include "training/schedule.h"

#include <gtest/gtest.h>

namespace pulmo::training {
namespace {

TEST(Schedule, ConstantStaysAtTheLearningRate) {
  const ScheduleOptions options{ScheduleKind::kConstant, 0.002, 0.0, 0.01};
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 0, 10, 100), 0.002);
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 99, 10, 100), 0.002);
}

TEST(Schedule, WarmUpRisesLinearlyAndThenHandsOver) {
  const ScheduleOptions options{ScheduleKind::kConstant, 1.0, 0.4, 0.01};  // 4 of 10 steps
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 0, 10, 100), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 3, 10, 100), 0.8);
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 4, 10, 100), 1.0);
}

TEST(Schedule, CosineFallsFromTheRateThroughTheMiddleToItsFinalFraction) {
  const ScheduleOptions options{ScheduleKind::kCosine, 1.0, 0.0, 0.1};
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 0, 10, 100), 1.0);
  EXPECT_NEAR(learning_rate_at(options, 50, 10, 100), 0.55, 1e-12);
  EXPECT_NEAR(learning_rate_at(options, 100, 10, 100), 0.1, 1e-12);
  for (std::int64_t step = 1; step < 100; ++step) {
    EXPECT_LT(learning_rate_at(options, step, 10, 100), learning_rate_at(options, step - 1, 10, 100));
  }
}

TEST(Schedule, CosineStartsAfterTheWarmUp) {
  const ScheduleOptions options{ScheduleKind::kCosine, 1.0, 2.0, 0.0};
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 20, 10, 100), 1.0);
  EXPECT_NEAR(learning_rate_at(options, 60, 10, 100), 0.5, 1e-12);
}

}  // namespace
}  // namespace pulmo::training
