#include "core/model/winograd.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <limits>

#include "core/model/layers.h"
#include "core/support/processors.h"
#include "tests/core/model/tensor_twin.h"

namespace pulmo {
namespace {

using testing::difference;

struct Convolution {
  torch::Tensor maps, weight, bias;
};

/// Of maps (N, in, *sides).
Convolution of_maps(std::int64_t in, std::int64_t out, const std::vector<std::int64_t>& sides) {
  torch::manual_seed(5);
  std::vector<std::int64_t> maps = {3, in};
  maps.insert(maps.end(), sides.begin(), sides.end());
  std::vector<std::int64_t> weight = {out, in};
  weight.insert(weight.end(), sides.size(), 3);
  return {torch::randn(maps).requires_grad_(), torch::randn(weight).requires_grad_(),
          torch::randn({out}).requires_grad_()};
}

Convolution copy_of(const Convolution& original, torch::ScalarType type) {
  const auto copy = [type](const torch::Tensor& tensor) { return testing::leaf_copy(tensor, type); };
  return {copy(original.maps), copy(original.weight), copy(original.bias)};
}

torch::Tensor plain(const Convolution& layer) {
  const bool volume = layer.maps.dim() == 5;
  return volume ? torch::conv3d(layer.maps, layer.weight, layer.bias, 1, 1)
                : torch::conv2d(layer.maps, layer.weight, layer.bias, 1, 1);
}

torch::Tensor by_winograd(const Convolution& layer) {
  return winograd_convolution(layer.maps, layer.weight, layer.bias);
}

/// Results and all gradients, against double precision on the same, rounded, values.
void expect_plain(const Convolution& original, torch::ScalarType type, double tolerance) {
  const Convolution ours = copy_of(original, type);
  const Convolution twin = copy_of(ours, torch::kDouble);
  ASSERT_TRUE(type == torch::kBFloat16 || prefers_winograd(ours.maps, ours.weight));  // with AMX not in bf16
  const torch::Tensor result = by_winograd(ours);
  const torch::Tensor expected = plain(twin);
  ASSERT_EQ(result.sizes(), expected.sizes());
  EXPECT_EQ(result.scalar_type(), type);
  EXPECT_LT(difference(result, expected), tolerance);
  const torch::Tensor gradient = torch::randn_like(expected).to(type);
  result.backward(gradient);
  expected.backward(gradient.to(torch::kDouble));
  testing::expect_same_gradients({ours.maps, ours.weight, ours.bias}, {twin.maps, twin.weight, twin.bias}, tolerance);
}

void expect_zero_where(const torch::Tensor& expected, const torch::Tensor& ours) {
  const torch::Tensor zero = expected == 0;
  EXPECT_TRUE(zero.any().item<bool>());
  EXPECT_EQ(ours.masked_select(zero).count_nonzero().item<std::int64_t>(), 0);
  EXPECT_LT(difference(ours, expected), 6e-6);
}

class Winograd : public ::testing::Test {
 protected:
  void SetUp() override {
    if (processor_level() == ProcessorLevel::kAny) GTEST_SKIP() << "this processor convolves with LibTorch alone";
  }
};

TEST_F(Winograd, IsTheConvolutionOfImagesWithTheSameGradients) {
  expect_plain(of_maps(16, 32, {12, 8}), torch::kFloat, 6e-6);
  expect_plain(of_maps(32, 48, {9, 13}), torch::kFloat, 6e-6);  // tiles over the edges; the last panel is half a vector
  expect_plain(of_maps(64, 16, {3, 6}), torch::kFloat, 6e-6);   // all tiles over an edge
  expect_plain(of_maps(128, 128, {28, 28}), torch::kFloat, 6e-6);  // more tiles than are taken at once
  expect_plain(of_maps(256, 128, {10, 10}), torch::kFloat, 6e-6);
}

TEST_F(Winograd, TakesManyChannels) {
  expect_plain(of_maps(512, 512, {32, 32}), torch::kFloat, 1e-5);
}

TEST_F(Winograd, IsTheConvolutionOfVolumesWithTheSameGradients) {
  expect_plain(of_maps(16, 32, {5, 12, 8}), torch::kFloat, 6e-6);
  expect_plain(of_maps(32, 16, {7, 9, 10}), torch::kFloat, 6e-6);
  expect_plain(of_maps(16, 16, {1, 8, 8}), torch::kFloat, 6e-6);  // neighbours on neither side
}

TEST_F(Winograd, RoundsOnlyValuesInBfloat16) {
  const double half_a_unit = 1.0 / 256.0;  // of the eighth bit
  expect_plain(of_maps(16, 32, {12, 8}), torch::kBFloat16, half_a_unit);
  expect_plain(of_maps(32, 48, {9, 13}), torch::kBFloat16, half_a_unit);
  expect_plain(of_maps(16, 32, {3, 9, 8}), torch::kBFloat16, half_a_unit);
}

TEST_F(Winograd, ReadsAnyLayout) {
  const Convolution layer = of_maps(16, 16, {8, 12});
  const torch::Tensor last = layer.maps.detach().contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(torch::equal(by_winograd(layer), winograd_convolution(last, layer.weight, layer.bias)));
  const torch::Tensor part = torch::randn({3, 32, 8, 12}).slice(1, 4, 20);
  EXPECT_LT(difference(winograd_convolution(part, layer.weight, layer.bias),
                       torch::conv2d(part, layer.weight, layer.bias, 1, 1)),
            1e-5);
}

TEST_F(Winograd, LeavesOutGradientsThatNobodyAsksFor) {
  Convolution layer = of_maps(16, 16, {8, 8});
  layer.weight.requires_grad_(false);
  layer.bias = torch::Tensor();
  by_winograd(layer).sum().backward();
  EXPECT_TRUE(layer.maps.grad().defined());
  EXPECT_FALSE(layer.weight.grad().defined());
  layer = of_maps(16, 16, {8, 8});
  layer.maps.requires_grad_(false);
  by_winograd(layer).sum().backward();
  EXPECT_TRUE(layer.weight.grad().defined());
}

TEST_F(Winograd, DoesNotDependOnTheNumberOfThreads) {
  const Convolution one = of_maps(32, 64, {40, 24});
  const Convolution two = copy_of(one, torch::kFloat);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  by_winograd(one).square().sum().backward();
  at::set_num_threads(3);
  by_winograd(two).square().sum().backward();
  at::set_num_threads(before);
  EXPECT_TRUE(torch::equal(one.weight.grad(), two.weight.grad()));
  EXPECT_TRUE(torch::equal(one.maps.grad(), two.maps.grad()));
}

TEST_F(Winograd, LetsNothingThatIsNoNumberPassUnseen) {
  const Convolution layer = of_maps(16, 16, {12, 12});
  torch::Tensor maps = layer.maps.detach().clone();
  maps[0][3][5][6] = std::numeric_limits<float>::quiet_NaN();
  const torch::Tensor result = winograd_convolution(maps, layer.weight, layer.bias);
  EXPECT_TRUE(result[0].slice(1, 4, 7).slice(2, 5, 8).isnan().all().item<bool>());
  EXPECT_FALSE(result.slice(0, 1).isnan().any().item<bool>());
}

TEST_F(Winograd, ShowsValuesThatAreTooLarge) {
  for (const float value : {std::numeric_limits<float>::infinity(), 1e38F}) {
    const Convolution layer = of_maps(16, 16, {12, 12});
    torch::Tensor maps = layer.maps.detach().clone();
    maps[0].slice(1, 5, 7).fill_(value);
    maps.requires_grad_();
    const torch::Tensor result = winograd_convolution(maps, layer.weight, layer.bias);
    EXPECT_FALSE(result[0].slice(1, 4, 8).isfinite().any().item<bool>());
    result.backward(torch::ones_like(result));
    EXPECT_FALSE(layer.weight.grad().isfinite().any().item<bool>());
  }
}

TEST_F(Winograd, RefusesASecondDerivative) {
  const Convolution layer = of_maps(16, 16, {8, 8});
  const torch::Tensor sum = by_winograd(layer).square().sum();
  EXPECT_THROW(torch::autograd::grad({sum}, {layer.weight}, {}, true, true), c10::Error);
}

// Around masked lungs: a ReLU would pass what is only nearly 0, and Adam would follow it.
TEST_F(Winograd, IsZeroWhereThePlainOneIs) {
  const Convolution ours = of_maps(128, 64, {22, 22});
  ours.maps.detach().slice(2, 0, 11).zero_();
  ours.maps.detach().slice(1, 7, 9).zero_();
  const Convolution twin = copy_of(ours, torch::kFloat);
  const torch::Tensor zeros = torch::zeros({64});
  const torch::Tensor result = winograd_convolution(ours.maps, ours.weight, zeros);
  const torch::Tensor expected = torch::conv2d(twin.maps, twin.weight, zeros, 1, 1);
  expect_zero_where(expected, result);
  torch::Tensor gradient = torch::randn_like(expected);
  gradient.slice(3, 0, 9).zero_();
  result.backward(gradient);
  expected.backward(gradient);
  expect_zero_where(twin.maps.grad(), ours.maps.grad());
  expect_zero_where(twin.weight.grad(), ours.weight.grad());
}

TEST_F(Winograd, TakesABatchOfNone) {
  const Convolution layer = of_maps(16, 32, {8, 8});
  const torch::Tensor none = torch::rand({0, 16, 8, 8}).requires_grad_();
  const torch::Tensor result = winograd_convolution(none, layer.weight, layer.bias);
  EXPECT_EQ(result.sizes(), torch::IntArrayRef({0, 32, 8, 8}));
  result.sum().backward();
  EXPECT_EQ(layer.weight.grad().abs().sum().item<float>(), 0.0F);
}

TEST_F(Winograd, IsForWhatItIsQuickerAt) {
  const auto prefers = [](at::IntArrayRef maps, at::IntArrayRef weight, torch::ScalarType type = torch::kFloat) {
    return prefers_winograd(torch::empty(maps, type), torch::empty(weight, type));
  };
  EXPECT_TRUE(prefers({2, 32, 16, 16}, {64, 32, 3, 3}));
  EXPECT_TRUE(prefers({2, 32, 4, 16, 16}, {64, 32, 3, 3, 3}));
  EXPECT_FALSE(prefers({2, 32, 16, 16}, {64, 32, 3, 3}, torch::kDouble));
  EXPECT_FALSE(prefers({2, 32, 16, 16}, {64, 32, 5, 5}));
  EXPECT_FALSE(prefers({2, 32, 4, 16, 16}, {64, 32, 1, 3, 3}));
  EXPECT_FALSE(prefers({2, 3, 16, 16}, {64, 3, 3, 3}));
  EXPECT_FALSE(prefers({2, 32, 16, 16}, {40, 32, 3, 3}));
  EXPECT_FALSE(prefers({2, 512, 7, 7}, {512, 512, 3, 3}));
  EXPECT_FALSE(prefers({2, 32, 2, 2}, {64, 32, 3, 3}));
  EXPECT_FALSE(prefers({2, 64, 16, 16}, {64, 32, 3, 3}));  // LibTorch says what is wrong
  EXPECT_FALSE(prefers({32, 16, 16}, {64, 32, 3, 3}));
}

TEST_F(Winograd, KeepsWhatItMakesOfFrozenWeights) {
  torch::manual_seed(1);
  ConvLayer layer(16, 32, 3, {.padding = 1});
  for (torch::Tensor& weight : layer.parameters()) torch::nn::init::uniform_(weight, -0.1, 0.1);
  const torch::Tensor images = torch::randn({2, 16, 12, 12});
  const torch::Tensor maps = layer.forward(images), pooled = layer.forward_pool_relu(images);
  layer.freeze();
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(torch::equal(layer.forward(images), maps));
    EXPECT_TRUE(torch::equal(layer.forward_pool_relu(images), pooled));
  }
}

TEST(Convolve, IsLibTorchsOwnWhateverItIsMadeBy) {
  const Convolution layer = of_maps(16, 32, {9, 9});
  const auto expect = [&layer](std::int64_t stride, std::int64_t padding) {
    const torch::Tensor expected = torch::conv2d(layer.maps, layer.weight, layer.bias, stride, padding);
    EXPECT_LT(difference(convolution(layer.maps, layer.weight, layer.bias, stride, padding), expected), 1e-5);
  };
  expect(1, 1);
  expect(2, 1);
  expect(1, 0);
  const Convolution volumes = of_maps(16, 32, {3, 9, 9});
  EXPECT_LT(difference(convolution(volumes.maps, volumes.weight, {}, 1, 1),
                       torch::conv3d(volumes.maps, volumes.weight, {}, 1, 1)),
            1e-5);
  EXPECT_LT(difference(convolution(volumes.maps, volumes.weight, {}, {1, 2, 2}, 1),
                       torch::conv3d(volumes.maps, volumes.weight, {}, {1, 2, 2}, 1)),
            1e-5);
}

}  // namespace
}  // namespace pulmo
