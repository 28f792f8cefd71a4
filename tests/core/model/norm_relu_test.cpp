#include "core/model/norm_relu.h"
#include "tests/core/model/tensor_twin.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace pulmo {
namespace {

using testing::difference;

struct Layer {
  std::vector<torch::Tensor> pieces;
  NormValues norm;
  torch::Tensor added;  ///< or undefined
};

/// Pieces of so many channels, in the layout that the networks of pulmo use.
Layer layer(const std::vector<std::int64_t>& channels, std::vector<std::int64_t> sides) {
  torch::manual_seed(5);
  const auto layout = sides.size() == 3 ? torch::MemoryFormat::ChannelsLast3d : torch::MemoryFormat::ChannelsLast;
  Layer layer;
  sides.insert(sides.begin(), {3, 0});
  for (const std::int64_t count : channels) {
    sides[1] = count;
    layer.pieces.push_back(torch::randn(sides).contiguous(layout).requires_grad_());
  }
  const std::int64_t all = std::accumulate(channels.begin(), channels.end(), std::int64_t{0});
  layer.norm = {torch::randn({all}).requires_grad_(), torch::randn({all}).requires_grad_(), torch::randn({all}),
                torch::rand({all}) + 0.1, 1e-5};
  return layer;
}

Layer copy_of(const Layer& original, torch::ScalarType type) {
  const auto copy = [type](const torch::Tensor& tensor) { return testing::leaf_copy(tensor, type); };
  const NormValues& norm = original.norm;
  Layer layer{{}, {copy(norm.weight), copy(norm.bias), copy(norm.mean), copy(norm.variance), norm.epsilon}, {}};
  for (const torch::Tensor& piece : original.pieces) layer.pieces.push_back(copy(piece));
  if (original.added.defined()) layer.added = copy(original.added);
  return layer;
}

/// Compares with the formula, computed in float64 of the same (rounded) values.
void expect_same(const Layer& original, torch::ScalarType type, double tolerance) {
  const Layer ours = copy_of(original, type);
  const Layer twin = copy_of(ours, torch::kDouble);
  const torch::Tensor result = norm_relu(ours.pieces, ours.norm, ours.added);
  std::vector<std::int64_t> each(static_cast<std::size_t>(result.dim()), 1);
  each[1] = -1;
  const auto of_channel = [&](const torch::Tensor& values) { return values.reshape(each); };
  const torch::Tensor centred = torch::cat(twin.pieces, 1) - of_channel(twin.norm.mean);
  torch::Tensor expected = centred / of_channel((twin.norm.variance + 1e-5).sqrt());
  expected = expected * of_channel(twin.norm.weight) + of_channel(twin.norm.bias);
  expected = torch::relu(twin.added.defined() ? expected + twin.added : expected);
  ASSERT_EQ(result.sizes(), expected.sizes());
  EXPECT_EQ(result.scalar_type(), type);
  EXPECT_LT(difference(result, expected), tolerance);
  const torch::Tensor gradient = torch::rand_like(expected).to(type);
  result.backward(gradient);
  expected.backward(gradient.to(torch::kDouble));
  EXPECT_LT(difference(ours.norm.weight.grad(), twin.norm.weight.grad()), tolerance);
  EXPECT_LT(difference(ours.norm.bias.grad(), twin.norm.bias.grad()), tolerance);
  if (twin.added.defined()) {
    EXPECT_LT(difference(ours.added.grad(), twin.added.grad()), tolerance);
  }
  for (std::size_t i = 0; i < ours.pieces.size(); ++i) {
    EXPECT_LT(difference(ours.pieces[i].grad(), twin.pieces[i].grad()), tolerance) << i;
  }
}

TEST(NormRelu, IsConcatenationThenNormalisationThenReluWithTheSameGradients) {
  expect_same(layer({64}, {12, 10}), torch::kFloat, 1e-5);
  expect_same(layer({64, 32, 32}, {7, 5}), torch::kFloat, 1e-5);
  expect_same(layer({16, 48}, {1, 1}), torch::kFloat, 1e-5);
  expect_same(layer({32, 16}, {3, 5, 4}), torch::kFloat, 1e-5);  // volumes
}

/// With something added that a residual network leads around the layers.
Layer around(Layer layer) {
  std::vector<std::int64_t> sizes = layer.pieces[0].sizes().vec();
  sizes[1] = layer.norm.mean.size(0);
  layer.added = torch::randn(sizes).contiguous(layer.pieces[0].suggest_memory_format()).requires_grad_();
  return layer;
}

TEST(NormRelu, AddsWhatIsLedAround) {
  expect_same(around(layer({64}, {12, 10})), torch::kFloat, 1e-5);
  expect_same(around(layer({32, 16}, {3, 5})), torch::kFloat, 1e-5);
  expect_same(around(layer({32}, {3, 5, 4})), torch::kFloat, 1e-5);
  expect_same(around(layer({6}, {12, 10})), torch::kFloat, 1e-5);  // no kernel fits
  expect_same(around(layer({64}, {12, 10})), torch::kBFloat16, 0.004);
}

TEST(NormRelu, IsTheSameWhereNoKernelFits) {
  expect_same(layer({64, 32}, {6, 4}), torch::kDouble, 1e-12);
  expect_same(layer({6, 7}, {6, 4}), torch::kFloat, 1e-5);  // maps that fill no vector
  Layer rows = layer({32}, {6, 4});
  rows.pieces[0] = rows.pieces[0].detach().contiguous().requires_grad_();  // channels first
  expect_same(rows, torch::kFloat, 1e-5);
}

TEST(NormRelu, RoundsOnceInBfloat16) {
  expect_same(layer({64, 32}, {6, 4}), torch::kBFloat16, 0.004);  // half a unit of the eighth bit
}

TEST(NormRelu, TakesAGradientOfAnyLayout) {
  const Layer ours = layer({32, 16}, {6, 4});
  const Layer twin = copy_of(ours, torch::kFloat);
  const torch::Tensor gradient = torch::rand({3, 48, 6, 4});
  norm_relu(ours.pieces, ours.norm).backward(gradient);
  norm_relu(twin.pieces, twin.norm).backward(gradient.contiguous(torch::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(torch::equal(ours.pieces[1].grad(), twin.pieces[1].grad()));
  EXPECT_TRUE(torch::equal(ours.norm.weight.grad(), twin.norm.weight.grad()));
}

TEST(NormRelu, LetsNothingThatIsNoNumberPassUnseen) {
  for (const auto type : {torch::kFloat, torch::kBFloat16}) {
    const Layer ours = copy_of(layer({32}, {6, 4}), type);
    ours.pieces[0].detach()[1][5][2][3] = std::numeric_limits<float>::quiet_NaN();
    const torch::Tensor result = norm_relu(ours.pieces, ours.norm);
    EXPECT_TRUE(result[1][5][2][3].isnan().item<bool>());
    EXPECT_EQ(result.isnan().sum().item<std::int64_t>(), 1);
    result.sum().backward();
    EXPECT_TRUE(ours.norm.weight.grad()[5].isnan().item<bool>());
  }
}

TEST(NormRelu, TakesABatchOfNone) {
  Layer none = layer({32, 16}, {6, 4});
  for (torch::Tensor& piece : none.pieces) piece = piece.detach().slice(0, 0, 0).requires_grad_();
  const torch::Tensor result = norm_relu(none.pieces, none.norm);
  EXPECT_EQ(result.sizes(), torch::IntArrayRef({0, 48, 6, 4}));
  result.sum().backward();
  EXPECT_EQ(none.norm.bias.grad().abs().sum().item<float>(), 0.0F);
}

TEST(NormRelu, DoesNotDependOnTheNumberOfThreads) {
  const Layer one = layer({64, 32}, {20, 20});
  const Layer two = copy_of(one, torch::kFloat);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  norm_relu(one.pieces, one.norm).square().sum().backward();
  at::set_num_threads(3);
  norm_relu(two.pieces, two.norm).square().sum().backward();
  at::set_num_threads(before);
  EXPECT_TRUE(torch::equal(one.norm.weight.grad(), two.norm.weight.grad()));
  EXPECT_TRUE(torch::equal(one.pieces[1].grad(), two.pieces[1].grad()));
}

}  // namespace
}  // namespace pulmo
