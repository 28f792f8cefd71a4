#include "training/adam.h"

#include <gtest/gtest.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>

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

std::vector<torch::Tensor> some_gradients(const std::vector<torch::Tensor>& like, std::int64_t step) {
  std::vector<torch::Tensor> gradients;
  for (std::size_t i = 0; i < like.size(); ++i) {
    const torch::Tensor ramp = torch::arange(like[i].numel(), like[i].options()).reshape(like[i].sizes());
    gradients.push_back(torch::sin(ramp * 0.37 + static_cast<double>(step * 7 + static_cast<std::int64_t>(i))) * 0.01);
  }
  return gradients;
}

template <typename Reference>
void expect_equals_libtorch(Precision precision, Reference& reference, std::vector<torch::Tensor>& twin,
                            const AdamOptions& options, double tolerance) {
  Weights weights(small_network(), precision);
  Adam adam(weights, options);
  for (std::int64_t step = 0; step < 12; ++step) {
    const auto gradients = some_gradients(weights.masters(), step);
    for (std::size_t i = 0; i < twin.size(); ++i) twin[i].mutable_grad() = gradients[i].clone();
    adam.step(gradients, 0.003);
    reference.step();
  }
  for (std::size_t i = 0; i < twin.size(); ++i) {
    EXPECT_LE((weights.masters()[i] - twin[i]).abs().max().template item<double>(), tolerance) << weights.names()[i];
  }
}

std::vector<torch::Tensor> twin_parameters(torch::ScalarType type) {
  auto network = small_network();
  network->to(type);
  return network->parameters();
}

TEST(Adam, EqualsLibTorchInDoublePrecision) {
  auto twin = twin_parameters(torch::kFloat64);
  torch::optim::Adam reference(twin, torch::optim::AdamOptions(0.003));
  expect_equals_libtorch(Precision::kFp64, reference, twin, {}, 1e-14);
}

TEST(Adam, EqualsLibTorchInSinglePrecision) {
  auto twin = twin_parameters(torch::kFloat32);
  torch::optim::Adam reference(twin, torch::optim::AdamOptions(0.003));
  expect_equals_libtorch(Precision::kFp32, reference, twin, {}, 1e-6);
}

TEST(Adam, DecoupledWeightDecayEqualsLibTorchsAdamW) {
  auto twin = twin_parameters(torch::kFloat64);
  torch::optim::AdamW reference(twin, torch::optim::AdamWOptions(0.003).weight_decay(0.1).betas({0.8, 0.95}));
  expect_equals_libtorch(Precision::kFp64, reference, twin, {0.8, 0.95, 1e-8, 0.1}, 1e-14);
}

TEST(Adam, InBf16TheNetworkHoldsTheRoundedMasters) {
  Weights weights(small_network(), Precision::kBf16);
  Adam adam(weights, {});
  for (std::int64_t step = 0; step < 3; ++step) {
    const auto gradients = some_gradients(weights.parameters(), step);  // bf16, as one rank gives them
    adam.step(gradients, 0.003);
  }
  for (std::size_t i = 0; i < weights.masters().size(); ++i) {
    EXPECT_EQ(weights.masters()[i].scalar_type(), torch::kFloat32);
    EXPECT_TRUE(torch::equal(weights.parameters()[i], weights.masters()[i].to(torch::kBFloat16)));
  }
}

TEST(Adam, TakesSummedFloatGradientsInBf16) {
  Weights one(small_network(), Precision::kBf16), two(small_network(), Precision::kBf16);
  Adam first(one, {}), second(two, {});
  const auto half = some_gradients(one.parameters(), 1);
  std::vector<torch::Tensor> full;
  for (const torch::Tensor& gradient : half) full.push_back(gradient.to(torch::kFloat32));
  first.step(half, 0.01);
  second.step(full, 0.01);
  for (std::size_t i = 0; i < full.size(); ++i) EXPECT_TRUE(torch::equal(one.masters()[i], two.masters()[i]));
}

// What a graphics card runs, here on the processor.
void expect_plain_equals_kernel(Precision precision, double tolerance) {
  Weights fast(small_network(), precision), plain(small_network(), precision);
  Adam adam(fast, {0.8, 0.95, 1e-8, 0.1});
  std::vector<torch::Tensor> first, second;
  for (const torch::Tensor& master : plain.masters()) {
    first.push_back(torch::zeros_like(master));
    second.push_back(torch::zeros_like(master));
  }
  for (std::int64_t t = 1; t <= 12; ++t) {
    const auto gradients = some_gradients(fast.parameters(), t);
    adam.step(gradients, 0.003);
    const AdamStep step{0.8,
                        0.95,
                        1e-8,
                        0.003 / (1.0 - std::pow(0.8, static_cast<double>(t))),
                        1.0 / std::sqrt(1.0 - std::pow(0.95, static_cast<double>(t))),
                        1.0 - 0.003 * 0.1};
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      adam_update_plain(plain.masters()[i], first[i], second[i], gradients[i], plain.parameters()[i], step);
    }
  }
  for (std::size_t i = 0; i < plain.masters().size(); ++i) {
    EXPECT_LE((fast.masters()[i] - plain.masters()[i]).abs().max().item<double>(), tolerance) << fast.names()[i];
    EXPECT_TRUE(torch::equal(plain.parameters()[i], plain.masters()[i].to(plain.type())));
  }
}

TEST(Adam, ByLibTorchsOperatorsIsTheSameUpdate) {
  expect_plain_equals_kernel(Precision::kFp64, 1e-14);
  expect_plain_equals_kernel(Precision::kFp32, 1e-6);
  expect_plain_equals_kernel(Precision::kBf16, 1e-6);
}

TEST(Adam, GoesOnFromItsOwnState) {
  Weights straight(small_network(), Precision::kFp32), broken(small_network(), Precision::kFp32);
  Adam all(straight, {}), first(broken, {});
  for (std::int64_t step = 0; step < 4; ++step) all.step(some_gradients(straight.masters(), step), 0.01);
  for (std::int64_t step = 0; step < 2; ++step) first.step(some_gradients(broken.masters(), step), 0.01);
  Adam second(broken, {});
  second.restore(first.moments(), first.steps());
  for (std::int64_t step = 2; step < 4; ++step) second.step(some_gradients(broken.masters(), step), 0.01);
  for (std::size_t i = 0; i < straight.masters().size(); ++i) {
    EXPECT_TRUE(torch::equal(straight.masters()[i], broken.masters()[i]));
  }
}

TEST(Adam, RefusesAStateOfAnotherNetwork) {
  Weights weights(small_network(), Precision::kFp32);
  Adam adam(weights, {});
  NamedTensors moments = adam.moments();
  moments.back().first = "second.elsewhere";
  EXPECT_THROW(adam.restore(moments, 1), InvalidInput);
  moments.pop_back();
  EXPECT_THROW(adam.restore(moments, 1), InvalidInput);
}

TEST(Weights, RefuseASnapshotOfAnotherNetwork) {
  Weights weights(small_network(), Precision::kFp32);
  NamedTensors snapshot = weights.snapshot();
  snapshot[0].second = torch::zeros({1});
  EXPECT_THROW(weights.restore(snapshot), InvalidInput);
}

TEST(Weights, ExportGivesTheMastersBackInFloat32) {
  NetworkOptions options;
  options.name = "proposed_cnn";
  options.size_px = 16;
  Weights weights(small_network(), Precision::kBf16);
  const auto network = network_with(options, weights.snapshot());
  const auto parameters = network->parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) EXPECT_TRUE(torch::equal(parameters[i], weights.masters()[i]));
}

}  // namespace
}  // namespace pulmo::training
