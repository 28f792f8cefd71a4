#include <gtest/gtest.h>
#include <torch/torch.h>

#include <limits>

#include "core/model/pool_relu.h"
#include "core/model/winograd.h"
#include "core/support/processors.h"
#include "tests/core/model/tensor_twin.h"

namespace pulmo {
namespace {

using testing::difference;
using testing::leaf_copy;

struct Layer {
  torch::Tensor maps, weight, bias;
};

Layer random_layer(std::int64_t in, std::int64_t out, std::int64_t height, std::int64_t width) {
  torch::manual_seed(7);
  return {torch::randn({3, in, height, width}).requires_grad_(), torch::randn({out, in, 3, 3}).requires_grad_(),
          torch::randn({out}).requires_grad_()};
}

Layer copy_of(const Layer& layer, torch::ScalarType type) {
  return {leaf_copy(layer.maps, type), leaf_copy(layer.weight, type), leaf_copy(layer.bias, type)};
}

torch::Tensor pooled(const Layer& layer) {
  return winograd_pool_relu(layer.maps, layer.weight, layer.bias);
}

/// The same with the maps between in memory.
torch::Tensor in_two_steps(const Layer& layer) {
  return pool_bias_relu(winograd_convolution(layer.maps, layer.weight, {}), layer.bias);
}

/// Results and all gradients, against double precision on the same, rounded, values.
void expect_plain(const Layer& original, torch::ScalarType type, double tolerance) {
  const Layer ours = copy_of(original, type), twin = copy_of(ours, torch::kDouble);
  const torch::Tensor result = pooled(ours);
  const torch::Tensor expected = conv_pool_relu_plain(twin.maps, twin.weight, twin.bias, 1);
  ASSERT_EQ(result.sizes(), expected.sizes());
  EXPECT_EQ(result.scalar_type(), type);
  EXPECT_LT(difference(result, expected), tolerance);
  const torch::Tensor gradient = torch::randn_like(expected).to(type);
  result.backward(gradient);
  expected.backward(gradient.to(torch::kDouble));
  testing::expect_same_gradients({ours.maps, ours.weight, ours.bias}, {twin.maps, twin.weight, twin.bias}, tolerance);
}

/// To the last bit, but for the bias's gradient, which is summed in another order.
void expect_as_in_two_steps(const Layer& ours) {
  const Layer twin = copy_of(ours, torch::kFloat);
  const torch::Tensor result = pooled(ours), expected = in_two_steps(twin);
  EXPECT_TRUE(torch::equal(result, expected));
  const torch::Tensor gradient = torch::randn_like(expected);
  result.backward(gradient);
  expected.backward(gradient);
  EXPECT_TRUE(torch::equal(ours.maps.grad(), twin.maps.grad()));
  EXPECT_TRUE(torch::equal(ours.weight.grad(), twin.weight.grad()));
  EXPECT_LT(difference(ours.bias.grad(), twin.bias.grad()), 1e-6);
}

class WinogradPool : public ::testing::Test {
 protected:
  void SetUp() override {
    if (processor_level() == ProcessorLevel::kAny) GTEST_SKIP() << "this processor convolves with LibTorch alone";
  }
};

TEST_F(WinogradPool, IsTheConvolutionPooledWithTheSameGradients) {
  expect_plain(random_layer(16, 32, 12, 8), torch::kFloat, 6e-6);
  expect_plain(random_layer(64, 128, 28, 28), torch::kFloat, 6e-6);  // more tiles than are taken at once
}

TEST_F(WinogradPool, DropsAnOddRowOrColumn) {
  expect_plain(random_layer(32, 48, 9, 13), torch::kFloat, 6e-6);
  expect_plain(random_layer(16, 16, 5, 6), torch::kFloat, 6e-6);
  expect_plain(random_layer(16, 32, 7, 3), torch::kFloat, 6e-6);
  expect_plain(random_layer(16, 16, 2, 2), torch::kFloat, 6e-6);
}

TEST_F(WinogradPool, RoundsOnlyValuesInBfloat16) {
  const double half_a_unit = 1.0 / 256.0;  // of the eighth bit
  expect_plain(random_layer(16, 32, 12, 8), torch::kBFloat16, half_a_unit);
  expect_plain(random_layer(32, 48, 9, 13), torch::kBFloat16, half_a_unit);
}

TEST_F(WinogradPool, GivesWhatConvolvingAndPoolingGive) {
  expect_as_in_two_steps(random_layer(32, 64, 24, 20));
  expect_as_in_two_steps(random_layer(16, 48, 11, 9));
}

// Of equal values the first wins. Rounding errors in their place would choose another.
TEST_F(WinogradPool, GivesWhatConvolvingAndPoolingGiveOfMaskedMaps) {
  const Layer layer = random_layer(32, 64, 22, 22);
  layer.maps.detach().slice(2, 0, 11).zero_();
  const Layer twin = copy_of(layer, torch::kFloat);
  expect_as_in_two_steps(layer);
  const torch::Tensor result = pooled(twin);
  EXPECT_TRUE(
      torch::equal(result.slice(2, 0, 5), twin.bias.relu().view({1, -1, 1, 1}).expand_as(result.slice(2, 0, 5))));
}

TEST_F(WinogradPool, LeavesOutGradientsThatNobodyAsksFor) {
  Layer layer = random_layer(16, 16, 8, 8);
  layer.weight.requires_grad_(false);
  layer.bias.requires_grad_(false);
  pooled(layer).sum().backward();
  EXPECT_TRUE(layer.maps.grad().defined());
  EXPECT_FALSE(layer.weight.grad().defined());
  EXPECT_FALSE(layer.bias.grad().defined());
  layer = random_layer(16, 16, 8, 8);
  layer.maps.requires_grad_(false);
  pooled(layer).sum().backward();
  EXPECT_FALSE(layer.maps.grad().defined());
  EXPECT_TRUE(layer.weight.grad().defined());
}

TEST_F(WinogradPool, DoesNotDependOnTheNumberOfThreads) {
  const Layer one = random_layer(32, 64, 40, 24), two = copy_of(one, torch::kFloat);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  pooled(one).square().sum().backward();
  at::set_num_threads(3);
  pooled(two).square().sum().backward();
  at::set_num_threads(before);
  EXPECT_TRUE(torch::equal(one.maps.grad(), two.maps.grad()));
  EXPECT_TRUE(torch::equal(one.weight.grad(), two.weight.grad()));
  EXPECT_TRUE(torch::equal(one.bias.grad(), two.bias.grad()));
}

TEST_F(WinogradPool, LetsNothingThatIsNoNumberPassUnseen) {
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), 1e38F}) {
    const Layer layer = random_layer(16, 16, 12, 12);
    torch::Tensor maps = layer.maps.detach().clone();
    maps[0].slice(1, 5, 7).fill_(value);
    const torch::Tensor result = winograd_pool_relu(maps, layer.weight, layer.bias);
    EXPECT_FALSE(result[0].slice(1, 2, 4).isfinite().any().item<bool>());
    EXPECT_TRUE(result.slice(0, 1).isfinite().all().item<bool>());
  }
}

TEST_F(WinogradPool, TakesABatchOfNone) {
  const Layer layer = random_layer(16, 32, 8, 8);
  const torch::Tensor result =
      winograd_pool_relu(torch::rand({0, 16, 8, 8}).requires_grad_(), layer.weight, layer.bias);
  EXPECT_EQ(result.sizes(), torch::IntArrayRef({0, 32, 4, 4}));
  result.sum().backward();
  EXPECT_EQ(layer.weight.grad().abs().sum().item<float>(), 0.0F);
}

TEST_F(WinogradPool, GivesTheGradientOfTheBiasAlone) {
  Layer layer = random_layer(16, 16, 8, 8);
  layer.maps.requires_grad_(false);
  layer.weight.requires_grad_(false);
  const torch::Tensor result = pooled(layer);
  result.sum().backward();
  EXPECT_LT(difference(layer.bias.grad(), (result.detach() > 0).sum({0, 2, 3})), 1e-6);
}

TEST_F(WinogradPool, GivesTheSameWithoutGradients) {
  const Layer layer = random_layer(16, 32, 10, 12);
  const torch::Tensor expected = pooled(layer).detach();
  const torch::NoGradGuard no_gradient;
  const torch::Tensor result = pooled(layer);
  EXPECT_FALSE(result.requires_grad());
  EXPECT_TRUE(torch::equal(result, expected));
}

TEST_F(WinogradPool, RefusesABiasOfAnotherLength) {
  const Layer layer = random_layer(16, 32, 8, 8);
  EXPECT_THROW(winograd_pool_relu(layer.maps, layer.weight, torch::zeros({48})), c10::Error);
}

TEST_F(WinogradPool, RefusesASecondDerivative) {
  const Layer layer = random_layer(16, 16, 8, 8);
  const torch::Tensor sum = pooled(layer).square().sum();
  EXPECT_THROW(torch::autograd::grad({sum}, {layer.weight}, {}, true, true), c10::Error);
}

TEST_F(WinogradPool, GivesTheSameByPanels) {
  for (const torch::ScalarType type : {torch::kFloat, torch::kBFloat16}) {
    const Layer layer = copy_of(random_layer(16, 32, 12, 12), type);
    const torch::Tensor result = winograd_pool_relu_of_panels(
        layer.maps.detach(), winograd_panels(layer.weight.detach()), layer.weight.size(0), layer.bias.detach());
    EXPECT_TRUE(torch::equal(result, pooled(layer).detach()));
  }
}

}  // namespace
}  // namespace pulmo
