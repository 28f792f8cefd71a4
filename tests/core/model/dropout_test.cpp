#include "core/model/dropout.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <stdexcept>

namespace pulmo {
namespace {

std::vector<std::uint64_t> count_up(std::uint64_t first, std::uint64_t count) {
  std::vector<std::uint64_t> seeds(count);
  for (std::uint64_t i = 0; i < count; ++i) seeds[i] = first + i;
  return seeds;
}

TEST(Dropout, MasksDoNotDependOnTheCutOfTheBatch) {
  const torch::Tensor values = torch::rand({6, 50});
  const auto seeds = count_up(100, 6);
  const torch::Tensor whole = dropout(values, seeds, 1, 0.5);
  const std::span<const std::uint64_t> all(seeds);
  const torch::Tensor first = dropout(values.slice(0, 0, 2), all.first(2), 1, 0.5);
  const torch::Tensor rest = dropout(values.slice(0, 2, 6), all.subspan(2), 1, 0.5);
  EXPECT_TRUE(torch::equal(whole, torch::cat({first, rest})));
}

TEST(Dropout, DropsAtItsRateAndKeepsTheMean) {
  for (const double rate : {0.1, 0.5, 0.8}) {
    const torch::Tensor kept = dropout(torch::ones({400, 100}), count_up(0, 400), 3, rate);
    const double dropped = (kept == 0).to(torch::kDouble).mean().item<double>();
    EXPECT_NEAR(dropped, rate, 0.01) << "four standard deviations of 40,000 draws";
    EXPECT_NEAR(kept.mean().item<double>(), 1.0, 0.01 / (1.0 - rate));
    EXPECT_NEAR(kept.max().item<double>(), 1.0 / (1.0 - rate), 1e-6);
  }
}

TEST(Dropout, DropsEveryUnitAndEverySampleAtTheRate) {
  const torch::Tensor dropped = (dropout(torch::ones({2000, 64}), count_up(0, 2000), 1, 0.5) == 0).to(torch::kDouble);
  EXPECT_LT((dropped.mean(0) - 0.5).abs().max().item<double>(), 0.06);
  EXPECT_LT((dropped.mean(1) - 0.5).abs().max().item<double>(), 0.35);
  const torch::Tensor centred = dropped - 0.5;
  const torch::Tensor neighbours = (centred.slice(1, 0, 63) * centred.slice(1, 1, 64)).mean();
  EXPECT_NEAR(neighbours.item<double>(), 0.0, 0.004) << "units are independent";
}

TEST(Dropout, DiffersBetweenLayersAndSeeds) {
  const torch::Tensor values = torch::ones({4, 64});
  EXPECT_FALSE(torch::equal(dropout(values, count_up(0, 4), 1, 0.5), dropout(values, count_up(0, 4), 2, 0.5)));
  EXPECT_FALSE(torch::equal(dropout(values, count_up(0, 4), 1, 0.5), dropout(values, count_up(9, 4), 1, 0.5)));
}

TEST(Dropout, IsTheIdentityWithoutSeedsOrRate) {
  const torch::Tensor values = torch::rand({2, 8});
  EXPECT_TRUE(torch::equal(dropout(values, {}, 1, 0.5), values));
  EXPECT_TRUE(torch::equal(dropout(values, count_up(0, 2), 1, 0.0), values));
}

TEST(Dropout, KeepsTheTypeOfItsInput) {
  for (const auto type : {torch::kBFloat16, torch::kFloat, torch::kDouble}) {
    EXPECT_EQ(dropout(torch::ones({2, 8}, type), count_up(0, 2), 1, 0.5).scalar_type(), type);
  }
}

TEST(Dropout, RefusesSeedsOfAnotherNumberAndImpossibleRates) {
  EXPECT_THROW(dropout(torch::ones({3, 8}), count_up(0, 2), 1, 0.5), std::invalid_argument);
  EXPECT_THROW(dropout(torch::ones({2, 8}), count_up(0, 2), 1, 1.0), std::invalid_argument);
  EXPECT_THROW(dropout(torch::ones({2, 8}), count_up(0, 2), 1, -0.1), std::invalid_argument);
}

}  // namespace
}  // namespace pulmo
