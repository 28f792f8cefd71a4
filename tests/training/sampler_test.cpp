#include "training/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace pulmo::training {
namespace {

std::vector<std::int64_t> counted(std::int64_t n) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), std::int64_t{0});
  return numbers;
}

TEST(Sampler, TakesEverySampleOnceInAnEpoch) {
  std::vector<std::int64_t> order = epoch_order(7, 3, 101);
  EXPECT_NE(order, counted(101));
  std::sort(order.begin(), order.end());
  EXPECT_EQ(order, counted(101));
}

TEST(Sampler, ReshufflesEachEpochAndRepeatsItself) {
  EXPECT_EQ(epoch_order(7, 3, 50), epoch_order(7, 3, 50));
  EXPECT_NE(epoch_order(7, 3, 50), epoch_order(7, 4, 50));
  EXPECT_NE(epoch_order(7, 3, 50), epoch_order(8, 3, 50));
}

class EpochPlanRanks : public ::testing::TestWithParam<int> {};

TEST_P(EpochPlanRanks, SharesMakeUpTheGlobalBatchesOfOneRank) {
  const int world = GetParam();
  const std::vector<std::int64_t> order = epoch_order(1, 0, 83);
  const EpochPlan plan(order, 16);
  EXPECT_EQ(plan.steps(), 6);
  std::vector<std::int64_t> seen;
  for (std::int64_t step = 0; step < plan.steps(); ++step) {
    std::vector<std::int64_t> joined;
    for (int rank = 0; rank < world; ++rank) {
      const auto share = plan.share(step, world, rank);
      joined.insert(joined.end(), share.begin(), share.end());
    }
    const auto batch = plan.global_batch(step);
    EXPECT_EQ(joined, std::vector<std::int64_t>(batch.begin(), batch.end()));
    EXPECT_EQ(batch.size(), step == 5 ? 3U : 16U);
    seen.insert(seen.end(), joined.begin(), joined.end());
  }
  EXPECT_EQ(seen, order);
}

INSTANTIATE_TEST_SUITE_P(OneToFive, EpochPlanRanks, ::testing::Values(1, 2, 3, 4, 5));

TEST(EpochPlan, LeavesARankWithoutSamplesWhenTheLastBatchIsShort) {
  const EpochPlan plan(counted(9), 8);
  std::size_t empty = 0;
  for (int rank = 0; rank < 4; ++rank) empty += plan.share(1, 4, rank).empty() ? 1 : 0;
  EXPECT_EQ(empty, 3U);
}

TEST(EpochPlan, SharesDifferByOneSampleAtMost) {
  for (std::int64_t part = 0; part < 5; ++part) {
    const std::int64_t size = part_of(32, 5, part).size();
    EXPECT_TRUE(size == 6 || size == 7) << size;
  }
}

}  // namespace
}  // namespace pulmo::training
