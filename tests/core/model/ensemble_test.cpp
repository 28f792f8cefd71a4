#include "core/model/ensemble.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/model/bundle.h"
#include "core/model/predictor.h"
#include "core/support/error.h"
#include "tests/support/bundle_fixture.h"
#include "tests/support/temp_dir.h"

namespace pulmo {
namespace {

constexpr std::int64_t kSize = 32;
constexpr std::int64_t kDepth = 4;

EnsembleMember member(const std::string& name, double temperature, std::uint64_t seed, std::int64_t depth = 0) {
  const auto network = make_network({.name = name, .depth = depth, .size_px = kSize, .seed = seed});
  return {to_torchscript(*network), temperature, depth};
}

torch::Tensor probabilities(EnsembleMember& one, const torch::Tensor& input) {
  const torch::NoGradGuard no_gradient;
  return (one.module.forward({input}).toTensor() / one.temperature).softmax(1);
}

torch::Tensor answer(torch::jit::Module& ensemble, const torch::Tensor& input) {
  const torch::NoGradGuard no_gradient;
  return ensemble.forward({input}).toTensor().softmax(1);
}

double furthest(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST(Ensemble, IsTheMeanOfItsMembersCalibratedProbabilities) {
  std::vector<EnsembleMember> members = {member("proposed_cnn", 0.5, 1), member("conventional_cnn", 2.0, 2),
                                         member("proposed_cnn", 1.0, 3)};
  torch::jit::Module ensemble = ensemble_to_torchscript(members);
  torch::manual_seed(1);
  const torch::Tensor images = torch::rand({5, 1, kSize, kSize});
  torch::Tensor mean = torch::zeros({5, 2});
  for (EnsembleMember& one : members) mean += probabilities(one, images) / 3.0;
  EXPECT_LE(furthest(answer(ensemble, images), mean), 1e-6);
  EXPECT_GT(furthest(probabilities(members[0], images), mean), 1e-4);
}

TEST(Ensemble, OfVolumesJudgesTheSlicesThatAreThereByItsMembersOfSlices) {
  std::vector<EnsembleMember> members = {member("proposed_cnn", 0.25, 1), member("cnn3d", 0.5, 2, kDepth)};
  torch::jit::Module ensemble = ensemble_to_torchscript(members);
  torch::manual_seed(2);
  torch::Tensor volumes = torch::rand({2, 1, kDepth, kSize, kSize});
  volumes[1].select(1, 0).zero_();
  volumes[1].select(1, 3).zero_();
  const torch::Tensor deep = probabilities(members[1], volumes);
  const torch::Tensor first = probabilities(members[0], volumes[0].transpose(0, 1)).mean(0);
  const torch::Tensor second = probabilities(members[0], volumes[1].transpose(0, 1).slice(0, 1, 3)).mean(0);
  const torch::Tensor expected = (deep + torch::stack({first, second})) / 2.0;
  EXPECT_LE(furthest(answer(ensemble, volumes), expected), 1e-6);
}

TEST(Ensemble, IsABundleLikeAnyOther) {
  const testing::TempDir directory;
  const std::vector<EnsembleMember> members = {member("conventional_cnn", 1.5, 4),
                                               member("slice_attention", 0.7, 5, kDepth)};
  for (int i = 0; i < 2; ++i) {  // members may themselves come from files
    BundleMetadata metadata = testing::test_bundle_metadata({.depth = kDepth, .size_px = kSize});
    metadata.row = "ensemble";
    save_bundle(directory / std::to_string(i), ensemble_to_torchscript(members), metadata);
  }
  const auto predictor = load_predictor(directory / "0");
  ImageBatch batch{2, 1, kSize, kSize, std::vector<std::uint16_t>(2 * kDepth * kSize * kSize, 20000), kDepth};
  const auto one = predictor->predict(batch);
  const Bundle loaded = load_bundle(directory / "1");
  save_bundle(directory / "2", ensemble_to_torchscript({{loaded.module, 1.0, kDepth}}), loaded.metadata);
  const auto again = load_predictor(directory / "2")->predict(batch);
  ASSERT_EQ(one.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(one[i], again[i], 1e-6);
}

TEST(Ensemble, RefusesWhatHasNoMean) {
  EXPECT_THROW(ensemble_to_torchscript({}), InvalidInput);
  EXPECT_THROW(ensemble_to_torchscript({member("cnn3d", 1.0, 1, 3), member("cnn3d", 1.0, 1, 4)}), InvalidInput);
}

}  // namespace
}  // namespace pulmo
