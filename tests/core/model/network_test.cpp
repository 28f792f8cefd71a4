#include "core/model/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "core/model/backbone.h"
#include "core/model/layers.h"
#include "core/support/error.h"
#include "core/support/seed.h"

namespace pulmo {
namespace {

std::vector<std::uint64_t> seeds_from(std::uint64_t first, std::int64_t count) {
  std::vector<std::uint64_t> seeds;
  for (std::uint64_t i = first; i < first + static_cast<std::uint64_t>(count); ++i) {
    seeds.push_back(derive_seed(1, "dropout", 0, 0, i));
  }
  return seeds;
}

std::vector<torch::Tensor> flat(const std::vector<torch::Tensor>& tensors) {
  std::vector<torch::Tensor> flats;
  for (const torch::Tensor& tensor : tensors) flats.push_back(tensor.flatten());
  return flats;
}

/// D of the volumes that the network is tried on; 0: it takes slices.
std::int64_t depth_of(const std::string& name) {
  return takes_volumes(name) ? 5 : 0;
}

/// Random images or volumes, as the network takes them.
torch::Tensor random_input(const std::string& name, std::int64_t count, std::int64_t channels, std::int64_t size,
                           torch::ScalarType type = torch::kFloat) {
  std::vector<std::int64_t> sizes = {count, channels, size, size};
  if (takes_volumes(name)) sizes.insert(sizes.begin() + 2, depth_of(name));
  return torch::rand(sizes, type);
}

/// The networks that start from nothing.
std::vector<std::string> plain_networks() {
  std::vector<std::string> names;
  for (const std::string& name : network_names()) {
    if (!has_backbone(*make_network({.name = name, .depth = depth_of(name), .size_px = 32}))) names.push_back(name);
  }
  return names;
}

TEST(Network, HasTheShapeOfThePapersTable) {
  const auto network = make_network({.name = "proposed_cnn"});
  std::map<std::string, std::vector<std::int64_t>> shapes;
  for (const auto& item : network->named_parameters()) shapes[item.key()] = item.value().sizes().vec();
  const std::map<std::string, std::vector<std::int64_t>> expected = {
      {"conv1.weight", {32, 1, 3, 3}},   {"conv1.bias", {32}},
      {"conv2.weight", {64, 32, 3, 3}},  {"conv2.bias", {64}},
      {"conv3.weight", {128, 64, 3, 3}}, {"conv3.bias", {128}},
      {"dense1.weight", {128, 100352}},  {"dense1.bias", {128}},
      {"dense2.weight", {64, 128}},      {"dense2.bias", {64}},
      {"dense3.weight", {2, 64}},        {"dense3.bias", {2}}};
  EXPECT_EQ(shapes, expected);
}

TEST(Network, StartsFromWeightsThatOnlyTheSeedDecides) {
  for (const std::string& name : network_names()) {
    torch::manual_seed(1);
    const auto first = make_network({.name = name, .depth = depth_of(name), .size_px = 32, .seed = 5})->parameters();
    torch::manual_seed(2);
    const auto again = make_network({.name = name, .depth = depth_of(name), .size_px = 32, .seed = 5})->parameters();
    const auto other = make_network({.name = name, .depth = depth_of(name), .size_px = 32, .seed = 6})->parameters();
    for (std::size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(torch::equal(first[i], again[i]));
    EXPECT_FALSE(torch::equal(torch::cat(flat(first)), torch::cat(flat(other)))) << name;
  }
}

TEST(Network, StartsFromPyTorchsUniformWeightsAndZeroBiases) {
  const auto network = make_network({.name = "proposed_cnn", .size_px = 64, .seed = 5});
  for (const auto& item : network->named_parameters()) {
    const torch::Tensor& values = item.value();
    if (values.dim() == 1) {
      EXPECT_EQ(values.abs().max().item<float>(), 0.0F) << item.key();
      continue;
    }
    const double variance = 1.0 / (3.0 * static_cast<double>(values.numel() / values.size(0)));
    EXPECT_LE(values.abs().max().item<double>(), std::sqrt(3.0 * variance) * 1.000001) << item.key();
    const double tolerance = 4.0 / std::sqrt(static_cast<double>(values.numel()));
    EXPECT_NEAR(values.to(torch::kDouble).pow(2).mean().item<double>() / variance, 1.0, tolerance) << item.key();
    EXPECT_NEAR(values.to(torch::kDouble).mean().item<double>() / std::sqrt(variance), 0.0, tolerance) << item.key();
  }
}

/// Gradient of a sum of logits against central differences, in double precision, dropout on.
TEST(Network, GradientsAreThoseOfItsOutput) {
  for (const std::string& name : plain_networks()) {
    const auto network =
        make_network({.name = name, .channels = 2, .depth = depth_of(name), .size_px = 18, .classes = 3, .seed = 4});
    network->to(torch::kDouble);
    torch::manual_seed(0);
    const torch::Tensor images = random_input(name, 2, 2, 18, torch::kDouble);
    const torch::Tensor weights = torch::rand({2, 3}, torch::kDouble);
    const auto seeds = seeds_from(0, 2);
    const auto value = [&] { return (network->forward(images, seeds) * weights).sum(); };
    value().backward();
    torch::NoGradGuard no_gradient;
    for (const auto& item : network->named_parameters()) {
      const torch::Tensor direction = torch::randn_like(item.value());
      const double expected = (item.value().grad() * direction).sum().item<double>();
      constexpr double kStep = 1e-7;  // small, so that no ReLU or maximum switches
      item.value().add_(direction, kStep);
      const double above = value().item<double>();
      item.value().add_(direction, -2.0 * kStep);
      const double below = value().item<double>();
      item.value().add_(direction, kStep);
      EXPECT_NEAR((above - below) / (2.0 * kStep), expected, 1e-4 * std::max(1.0, std::abs(expected)))
          << name << " " << item.key();
    }
  }
}

TEST(Network, GivesTheSameLogitsHoweverTheBatchIsCut) {
  for (const std::string& name : network_names()) {
    const auto network = make_network({.name = name, .depth = depth_of(name), .size_px = 32, .seed = 4});
    network->to(torch::kDouble);
    torch::NoGradGuard no_gradient;
    const torch::Tensor images = random_input(name, 7, 1, 32, torch::kDouble);
    const torch::Tensor whole = network->forward(images, seeds_from(0, 7));
    const torch::Tensor first = network->forward(images.slice(0, 0, 3), seeds_from(0, 3));
    const torch::Tensor second = network->forward(images.slice(0, 3, 7), seeds_from(3, 4));
    EXPECT_TRUE(torch::allclose(whole, torch::cat({first, second}), 1e-12, 1e-12)) << name;
    EXPECT_FALSE(torch::allclose(whole, network->forward(images, {}), 1e-9, 1e-12)) << name;
  }
}

/// Attention is all that parts the two rows: without its effect (both gates at 1) they are one network.
TEST(Network, AttentionCnnIsTheProposedCnnWhereItsAttentionIsEven) {
  const auto plain = make_network({.name = "proposed_cnn", .size_px = 32, .seed = 4});
  const auto attention = make_network({.name = "attention_cnn", .size_px = 32, .seed = 4});
  torch::NoGradGuard no_gradient;
  const torch::Tensor images = torch::rand({3, 1, 32, 32});
  EXPECT_FALSE(torch::allclose(attention->forward(images, {}), plain->forward(images, {}), 1e-5, 1e-6));
  for (auto& item : attention->named_parameters()) {
    if (item.key().rfind("attention", 0) == 0) item.value().zero_();
  }
  EXPECT_TRUE(torch::allclose(attention->forward(images, {}), plain->forward(images, {}), 1e-5, 1e-6));
}

TEST(Network, DoesNotDependOnTheMemoryLayoutOfTheImages) {
  for (const std::string name : {"proposed_cnn", "attention_cnn"}) {
    const auto network = make_network({.name = name, .channels = 3, .size_px = 16, .seed = 4});
    torch::NoGradGuard no_gradient;
    const torch::Tensor images = torch::rand({2, 3, 16, 16});
    const torch::Tensor expected = network->forward(images, {});
    for (const torch::Tensor& same :
         {images.contiguous(at::MemoryFormat::ChannelsLast), images.transpose(2, 3).contiguous().transpose(2, 3)}) {
      EXPECT_TRUE(torch::allclose(network->forward(same, {}), expected, 1e-5)) << name;
    }
  }
}

TEST(Network, RunsInBfloat16) {
  for (const std::string& name : plain_networks()) {
    const auto network = make_network({.name = name, .depth = depth_of(name), .size_px = 32, .seed = 4});
    const torch::Tensor images = random_input(name, 2, 1, 32);
    torch::NoGradGuard no_gradient;
    const torch::Tensor expected = network->forward(images, {});
    network->to(torch::kBFloat16);
    const torch::Tensor logits = network->forward(images.to(torch::kBFloat16), seeds_from(0, 2));
    EXPECT_EQ(logits.scalar_type(), torch::kBFloat16);
    const torch::Tensor without = network->forward(images.to(torch::kBFloat16), {}).to(torch::kFloat);
    EXPECT_LT((without - expected).abs().max().item<float>(), 0.05F * expected.abs().max().item<float>() + 0.02F);
  }
}

TEST(Network, RefusesUnknownNamesListingTheKnownOnes) {
  try {
    make_network({.name = "resnet1000"});
    ADD_FAILURE();
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "configuration");
    EXPECT_THAT(error.what(),
                ::testing::AllOf(::testing::HasSubstr("resnet1000"), ::testing::HasSubstr("proposed_cnn")));
  }
}

TEST(Network, RefusesOptionsThatMakeNoNetwork) {
  EXPECT_THROW(make_network({.name = "proposed_cnn", .size_px = 7}), InvalidInput);
  EXPECT_THROW(make_network({.name = "conventional_cnn", .size_px = 15}), InvalidInput);
  EXPECT_THROW(make_network({.name = "proposed_cnn", .channels = 0}), InvalidInput);
  EXPECT_THROW(make_network({.name = "proposed_cnn", .classes = 1}), InvalidInput);
  EXPECT_THROW(make_network({.name = "proposed_cnn", .dropout = 1.0}), InvalidInput);
  EXPECT_THROW(make_network({.name = "proposed_cnn", .depth = 7}), InvalidInput);
  EXPECT_THROW(make_network({.name = "cnn3d"}), InvalidInput);
  EXPECT_NO_THROW(make_network({.name = "conventional_cnn", .size_px = 16}));
  EXPECT_NO_THROW(make_network({.name = "proposed_cnn", .size_px = 8}));
  EXPECT_THROW(make_network({.name = "attention_cnn", .size_px = 7}), InvalidInput);
  EXPECT_NO_THROW(make_network({.name = "attention_cnn", .size_px = 8}));
  EXPECT_THROW(make_network({.name = "densenet121", .size_px = 28}), InvalidInput);
  EXPECT_NO_THROW(make_network({.name = "densenet121", .size_px = 29}));
}

TEST(ToChannelsLast, ReadsAsChannelsLastWithTheSameValues) {
  for (const std::int64_t channels : {1, 3}) {
    const torch::Tensor images = torch::rand({2, channels, 5, 4});
    const torch::Tensor moved = to_channels_last(images);
    EXPECT_TRUE(torch::equal(moved, images));
    EXPECT_EQ(moved.suggest_memory_format(), at::MemoryFormat::ChannelsLast);
  }
}

}  // namespace
}  // namespace pulmo
