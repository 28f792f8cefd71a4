#include "core/model/dense.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <limits>
#include <memory>

#include "core/model/layers.h"
#include "core/support/processors.h"
#include "tests/core/model/tensor_twin.h"

namespace pulmo {
namespace {

using testing::difference;
using testing::leaf_copy;

struct Layer {
  torch::Tensor values, weight, bias;
};

Layer random_layer(std::int64_t samples, std::int64_t in, std::int64_t out) {
  torch::manual_seed(3);
  return {torch::randn({samples, in}).requires_grad_(), torch::randn({out, in}).requires_grad_(),
          torch::randn({out}).requires_grad_()};
}

torch::Tensor result_of(const Layer& layer) {
  return dense(layer.values, layer.weight, layer.bias);
}

/// Results and all gradients, against double precision.
void expect_linear(const Layer& ours) {
  const Layer twin = {leaf_copy(ours.values, torch::kDouble), leaf_copy(ours.weight, torch::kDouble),
                      leaf_copy(ours.bias, torch::kDouble)};
  const torch::Tensor result = result_of(ours);
  const torch::Tensor expected = torch::linear(twin.values, twin.weight, twin.bias);
  ASSERT_EQ(result.sizes(), expected.sizes());
  EXPECT_LT(difference(result, expected), 6e-6);
  const torch::Tensor gradient = torch::randn_like(expected).to(torch::kFloat);
  result.backward(gradient);
  expected.backward(gradient.to(torch::kDouble));
  testing::expect_same_gradients({ours.values, ours.weight, ours.bias}, {twin.values, twin.weight, twin.bias}, 6e-6);
}

TEST(Dense, IsTheLinearLayerWithTheSameGradients) {
  for (const std::int64_t samples : {1, 2, 3, 5, 16, 33}) expect_linear(random_layer(samples, 4096 + 16, 12));
  expect_linear(random_layer(7, 100352, 128));
  expect_linear(random_layer(4, 4096, 6));  // too few outputs for the kernel
  expect_linear(random_layer(4, 4100, 8));  // too odd a number of inputs
  expect_linear(random_layer(4, 64, 2));
}

TEST(Dense, ReadsAnyLayout) {
  const Layer layer = random_layer(6, 4096, 8);
  const torch::Tensor turned = layer.values.detach().t().contiguous().t();
  const torch::Tensor weight = layer.weight.detach().t().contiguous().t();
  EXPECT_TRUE(torch::equal(dense(turned, weight, layer.bias), result_of(layer)));
}

TEST(Dense, LeavesOutGradientsThatNobodyAsksFor) {
  Layer layer = random_layer(3, 4096, 8);
  layer.weight.requires_grad_(false);
  result_of(layer).sum().backward();
  EXPECT_TRUE(layer.values.grad().defined());
  EXPECT_FALSE(layer.weight.grad().defined());
  layer = random_layer(3, 4096, 8);
  layer.values.requires_grad_(false);
  result_of(layer).sum().backward();
  EXPECT_FALSE(layer.values.grad().defined());
  EXPECT_TRUE(layer.weight.grad().defined());
}

TEST(Dense, TakesABatchOfNone) {
  const Layer layer = random_layer(0, 4096, 8);
  const torch::Tensor result = result_of(layer);
  EXPECT_EQ(result.sizes(), torch::IntArrayRef({0, 8}));
  result.sum().backward();
  EXPECT_EQ(layer.weight.grad().abs().sum().item<float>(), 0.0F);
}

TEST(Dense, GivesTheGradientOfTheBiasAlone) {
  Layer layer = random_layer(3, 4096, 8);
  layer.values.requires_grad_(false);
  layer.weight.requires_grad_(false);
  result_of(layer).sum().backward();
  EXPECT_TRUE(torch::equal(layer.bias.grad(), torch::full({8}, 3.0F)));
}

TEST(Dense, TakesWhateverBiasLibTorchTakes) {
  const Layer layer = random_layer(2, 4096, 8);
  EXPECT_TRUE(torch::equal(dense(layer.values, layer.weight, torch::ones({1})),
                           torch::linear(layer.values, layer.weight, torch::ones({1}))));
}

TEST(Dense, RefusesASecondDerivative) {
  if (processor_level() == ProcessorLevel::kAny) GTEST_SKIP() << "this processor multiplies with LibTorch alone";
  const Layer layer = random_layer(2, 4096, 8);
  const torch::Tensor sum = result_of(layer).square().sum();
  EXPECT_THROW(torch::autograd::grad({sum}, {layer.weight}, {}, true, true), c10::Error);
}

TEST(Dense, SaysWhatDoesNotFit) {
  const Layer layer = random_layer(2, 4096, 8);
  EXPECT_THROW(dense(torch::zeros({2, 4112}), layer.weight, layer.bias), c10::Error);
}

TEST(Dense, ShowsWhatIsNoNumber) {
  Layer layer = random_layer(4, 4096, 8);
  layer.values.detach()[1][77] = std::numeric_limits<float>::quiet_NaN();
  const torch::Tensor result = result_of(layer);
  EXPECT_TRUE(result[1].isnan().all().item<bool>());
  EXPECT_TRUE(result[0].isfinite().all().item<bool>());
}

TEST(Dense, DoesNotDependOnTheBatchNorTheNumberOfThreads) {
  if (processor_level() == ProcessorLevel::kAny) GTEST_SKIP() << "this processor multiplies with LibTorch alone";
  const Layer layer = random_layer(37, 8192, 40);
  const torch::Tensor all = result_of(layer);
  for (const std::int64_t n : {0, 2, 31, 32, 36}) {
    EXPECT_TRUE(torch::equal(dense(layer.values.slice(0, n, n + 1), layer.weight, layer.bias)[0], all[n]));
  }
  const int before = at::get_num_threads();
  at::set_num_threads(3);
  EXPECT_TRUE(torch::equal(result_of(layer), all));
  at::set_num_threads(before);
}

TEST(Dense, KeepsFactorsOfManyInputs) {
  const auto layer = std::make_shared<DenseLayer>(4096, 8);
  initialise(*layer, 1);
  layer->keep_factors();
  const torch::Tensor values = torch::randn({3, 4096}).requires_grad_();
  layer->forward(values).sum().backward();
  EXPECT_FALSE(layer->weight().grad().defined());
  EXPECT_TRUE(torch::equal(layer->factors().input, values.detach()));
  EXPECT_TRUE(values.grad().defined());
}

// What serves the proposed CNN: weights in the order of maps channels-last.
TEST(Dense, ReadsMapsAsTheyLieOnceItIsFrozen) {
  torch::manual_seed(5);
  for (const std::int64_t rows : {16, 4}) {  // with the kernel, and without
    const auto layer = std::make_shared<DenseLayer>(32 * rows * 10, 8);
    initialise(*layer, 1);
    const torch::Tensor maps = torch::randn({3, 32, rows, 10});
    const torch::Tensor last = maps.contiguous(torch::MemoryFormat::ChannelsLast);
    const torch::Tensor expected = layer->forward_maps(last).detach();
    EXPECT_LT(difference(expected, layer->forward(maps.flatten(1))), 2e-6);
    layer->freeze();
    for (const torch::Tensor& given : {last, maps, last.slice(0, 0, 1)}) {
      const torch::Tensor result = layer->forward_maps(given);
      EXPECT_FALSE(result.requires_grad());
      EXPECT_LT(difference(result, expected.slice(0, 0, given.size(0))), 2e-6);
    }
    EXPECT_FALSE(layer->forward(maps.flatten(1)).requires_grad());
  }
}

}  // namespace
}  // namespace pulmo
