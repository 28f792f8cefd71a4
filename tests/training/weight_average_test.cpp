#include "training/weight_average.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <cmath>

#include "core/support/error.h"

namespace pulmo::training {
namespace {

std::shared_ptr<Network> small_network() {
  NetworkOptions options;
  options.name = "proposed_cnn";
  options.size_px = 16;
  options.seed = 5;
  return make_network(options);
}

void fill(Weights& weights, double value) {
  const torch::NoGradGuard no_gradient;
  for (std::size_t i = 0; i < weights.masters().size(); ++i) {
    weights.masters()[i].fill_(value);
    weights.parameters()[i].fill_(value);
  }
}

double first_of(const NamedTensors& tensors) {
  return tensors.front().second.flatten()[0].item<double>();
}

// By hand: d = min(0.8, 2/11), then min(0.8, 3/12), from 1 over 2 to 4.
TEST(WeightAverage, FollowsItsFormula) {
  Weights weights(small_network(), Precision::kFp64);
  fill(weights, 1.0);
  WeightAverage average(weights, 0.8);
  fill(weights, 2.0);
  average.update(1);
  const double first = 2.0 / 11.0 * 1.0 + 9.0 / 11.0 * 2.0;
  EXPECT_NEAR(first_of(average.snapshot()), first, 1e-15);
  fill(weights, 4.0);
  average.update(2);
  EXPECT_NEAR(first_of(average.snapshot()), 0.25 * first + 0.75 * 4.0, 1e-14);
  fill(weights, 8.0);
  average.update(1000000);
  EXPECT_NEAR(first_of(average.snapshot()), 0.8 * (0.25 * first + 0.75 * 4.0) + 0.2 * 8.0, 1e-14);
}

TEST(WeightAverage, TheNetworkHoldsItWhileItIsInUse) {
  for (const Precision precision : {Precision::kFp32, Precision::kBf16}) {
    Weights weights(small_network(), precision);
    fill(weights, 1.0);
    WeightAverage average(weights, 0.8);
    fill(weights, 2.0);
    const auto parameter = [&] { return weights.network().parameters().front().flatten()[0].item<double>(); };
    {
      const WeightAverage::InUse in_use(average);
      EXPECT_EQ(parameter(), 1.0);
      EXPECT_EQ(first_of(weights.snapshot()), 1.0);
    }
    EXPECT_EQ(parameter(), 2.0);
    EXPECT_EQ(first_of(weights.snapshot()), 2.0);
    EXPECT_EQ(first_of(average.snapshot()), 1.0);
  }
}

TEST(WeightAverage, IsNothingWithoutADecay) {
  Weights weights(small_network(), Precision::kFp32);
  WeightAverage average(weights, 0.0);
  average.update(1);
  EXPECT_FALSE(average.exists());
  EXPECT_TRUE(average.snapshot().empty());
  EXPECT_NO_THROW(average.restore({}));
}

TEST(WeightAverage, RefusesThatOfAnotherNetwork) {
  Weights weights(small_network(), Precision::kFp32);
  WeightAverage average(weights, 0.9);
  NamedTensors other = average.snapshot();
  EXPECT_NO_THROW(average.restore(other));
  other.front().second = torch::zeros({1});
  EXPECT_THROW(average.restore(other), InvalidInput);
  EXPECT_THROW(average.restore({}), InvalidInput);
}

}  // namespace
}  // namespace pulmo::training
