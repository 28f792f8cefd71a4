#include "core/model/pool_relu.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "core/model/pool_kernels.h"
#include "tests/core/model/tensor_twin.h"

namespace pulmo {
namespace {

using testing::difference;

struct Layer {
  torch::Tensor images, weight, bias;
};

/// Images that need a gradient unless they are a network's input, as in a network's later layers.
Layer layer(std::int64_t in, std::int64_t out, std::int64_t rows, std::int64_t columns, bool input) {
  torch::manual_seed(3);
  return {torch::rand({3, in, rows, columns}).requires_grad_(!input), torch::randn({out, in, 3, 3}).requires_grad_(),
          torch::randn({out}).requires_grad_()};
}

Layer copy_of(const Layer& original, torch::ScalarType type) {
  const auto copy = [type](const torch::Tensor& tensor) { return testing::leaf_copy(tensor, type); };
  return {copy(original.images), copy(original.weight), copy(original.bias)};
}

/// The layers as the paper names them, one after the other.
torch::Tensor reference(const Layer& layer) {
  return torch::max_pool2d(torch::relu(torch::conv2d(layer.images, layer.weight, layer.bias, 1, 1)), {2, 2});
}

void expect_same(const Layer& original, torch::ScalarType type, double tolerance) {
  const Layer ours = copy_of(original, type);
  const Layer twin = copy_of(ours, torch::kDouble);  // of the rounded values
  const torch::Tensor pooled = conv_pool_relu(ours.images, ours.weight, ours.bias, 1);
  const torch::Tensor expected = reference(twin);
  ASSERT_EQ(pooled.sizes(), expected.sizes());
  EXPECT_LT(difference(pooled, expected), tolerance);
  const torch::Tensor gradient = torch::rand_like(expected).to(type);
  pooled.backward(gradient);
  expected.backward(gradient.to(torch::kDouble));
  EXPECT_LT(difference(ours.weight.grad(), twin.weight.grad()), tolerance);
  EXPECT_LT(difference(ours.bias.grad(), twin.bias.grad()), tolerance);
  ASSERT_EQ(ours.images.grad().defined(), twin.images.grad().defined());
  if (twin.images.requires_grad()) {
    EXPECT_LT(difference(ours.images.grad(), twin.images.grad()), tolerance);
  }
}

TEST(ConvPoolRelu, IsConvolutionThenReluThenMaxPoolWithTheSameGradients) {
  expect_same(layer(16, 32, 12, 10, false), torch::kFloat, 1e-5);
  expect_same(layer(3, 16, 9, 13, false), torch::kFloat, 1e-5);  // an odd last row and column are dropped
  expect_same(layer(3, 6, 8, 8, false), torch::kFloat, 1e-5);    // maps that fill no vector
  expect_same(layer(3, 6, 8, 8, false), torch::kDouble, 1e-12);
}

TEST(ConvPoolRelu, IsTheSameWhereTheFirstLayerWritesNoMaps) {
  expect_same(layer(1, 32, 12, 10, true), torch::kFloat, 1e-5);
  expect_same(layer(1, 48, 7, 9, true), torch::kFloat, 1e-5);
  expect_same(layer(1, 32, 12, 10, false), torch::kFloat, 1e-5);  // an image whose own gradient is asked for
}

// Where two maps of a window round to the same bf16 value another one may win: the values hardly differ, the gradient
// takes another way. Few enough values to have none of these.
TEST(ConvPoolRelu, RoundsOnlyValuesInBfloat16) {
  const Layer ours = copy_of(layer(1, 32, 24, 24, true), torch::kBFloat16);
  const Layer twin = copy_of(ours, torch::kDouble);
  const torch::Tensor pooled = conv_pool_relu(ours.images, ours.weight, ours.bias, 1);
  const torch::Tensor expected = reference(twin);
  EXPECT_EQ(pooled.scalar_type(), torch::kBFloat16);
  EXPECT_LT(difference(pooled, expected), 0.004);  // half a unit of the eighth bit
  pooled.sum().backward();
  expected.sum().backward();
  EXPECT_LT(difference(ours.weight.grad(), twin.weight.grad()), 0.004);
  EXPECT_LT(difference(ours.bias.grad(), twin.bias.grad()), 0.004);
}

TEST(ConvPoolRelu, PoolsBfloat16MapsLikeLibTorch) {
  Layer ours = copy_of(layer(3, 32, 10, 10, false), torch::kBFloat16);
  ours.bias = torch::zeros({32}, torch::kBFloat16).requires_grad_();
  Layer twin = copy_of(ours, torch::kBFloat16);
  const torch::Tensor pooled = conv_pool_relu(ours.images, ours.weight, ours.bias, 1);
  const torch::Tensor expected = conv_pool_relu_plain(twin.images, twin.weight, twin.bias, 1);
  EXPECT_LT(difference(pooled, expected), 1e-12);
  const torch::Tensor gradient = torch::rand_like(expected);
  pooled.backward(gradient);
  expected.backward(gradient);
  EXPECT_LT(difference(ours.weight.grad(), twin.weight.grad()), 1e-12);
  EXPECT_LT(difference(ours.images.grad(), twin.images.grad()), 1e-12);
}

TEST(ConvPoolRelu, GivesTheGradientToTheFirstOfEquals) {
  const torch::Tensor images = torch::ones({1, 2, 4, 4}).requires_grad_();
  torch::Tensor weight = torch::zeros({16, 2, 3, 3});
  weight.slice(2, 1, 2).slice(3, 1, 2).fill_(1.0);
  conv_pool_relu(images, weight, torch::zeros({16}), 1).sum().backward();
  const torch::Tensor gradient = images.grad()[0][0];
  EXPECT_EQ(gradient[0][0].item<float>(), 16.0F);
  EXPECT_EQ(gradient.sum().item<float>(), 16.0F * 4.0F);
  EXPECT_EQ(gradient[2][2].item<float>(), 16.0F);
}

TEST(ConvPoolRelu, LetsNothingThatIsNoNumberPassUnseen) {
  for (const std::int64_t channels : {1, 4}) {
    for (const auto type : {torch::kFloat, torch::kBFloat16}) {
      torch::Tensor images = torch::rand({1, channels, 8, 8});
      images[0][0][5][4] = std::numeric_limits<float>::quiet_NaN();
      const torch::Tensor pooled =
          conv_pool_relu(images.to(type), torch::rand({16, channels, 3, 3}).to(type), torch::zeros({16}, type), 1);
      EXPECT_TRUE(pooled[0].slice(1, 2, 3).slice(2, 2, 3).isnan().all().item<bool>());
      EXPECT_EQ(pooled.isnan().sum().item<std::int64_t>(), 16 * 4);
    }
  }
}

TEST(ConvPoolRelu, TakesABatchOfNone) {
  const Layer none = {torch::rand({0, 1, 8, 8}), torch::rand({16, 1, 3, 3}), torch::rand({16})};
  EXPECT_EQ(conv_pool_relu(none.images, none.weight, none.bias, 1).sizes(), torch::IntArrayRef({0, 16, 4, 4}));
}

TEST(ConvPoolRelu, DoesNotDependOnTheNumberOfThreads) {
  const Layer one = layer(1, 32, 40, 40, true);
  const Layer two = copy_of(one, torch::kFloat);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  conv_pool_relu(one.images, one.weight, one.bias, 1).square().sum().backward();
  at::set_num_threads(3);
  conv_pool_relu(two.images, two.weight, two.bias, 1).square().sum().backward();
  at::set_num_threads(before);
  EXPECT_TRUE(torch::equal(one.weight.grad(), two.weight.grad()));
  EXPECT_TRUE(torch::equal(one.bias.grad(), two.bias.grad()));
}

TEST(ConvPoolRelu, GivesTheSameWithoutGradients) {
  const Layer first = layer(1, 32, 12, 10, true);
  const torch::Tensor expected = conv_pool_relu(first.images, first.weight, first.bias, 1).detach();
  const torch::NoGradGuard no_gradient;
  EXPECT_TRUE(torch::equal(conv_pool_relu(first.images, first.weight, first.bias, 1), expected));
}

}  // namespace
}  // namespace pulmo
