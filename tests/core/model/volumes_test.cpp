#include <gtest/gtest.h>
#include <torch/torch.h>

#include <fstream>

#include "core/model/backbone.h"
#include "core/model/bundle.h"
#include "core/model/predictor.h"
#include "core/support/error.h"
#include "tests/support/bundle_fixture.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

constexpr std::int64_t kSize = 40;
constexpr std::int64_t kDepth = 5;

void write_raw(const std::filesystem::path& path, const torch::Tensor& tensor) {
  const torch::Tensor values = tensor.detach().contiguous();
  std::ofstream(path, std::ios::binary)
      .write(static_cast<const char*>(values.data_ptr()), static_cast<std::streamsize>(values.nbytes()));
}

/// Three stacks; the second has three slices only, the third none at all.
torch::Tensor some_stacks() {
  torch::manual_seed(1);
  torch::Tensor stacks = torch::rand({3, 1, kDepth, kSize, kSize});
  stacks[1].select(1, 0).zero_();
  stacks[1].select(1, 4).zero_();
  stacks[2].zero_();
  return stacks;
}

ImageBatch batch_of_stacks(const torch::Tensor& stacks) {
  ImageBatch batch{stacks.size(0), 1, kSize, kSize, {}, kDepth};
  const torch::Tensor values = (stacks * 65535.0).round().contiguous();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    batch.pixels.push_back(static_cast<std::uint16_t>(values.data_ptr<float>()[i]));
  }
  return batch;
}

/// volume_twin.py with these arguments.
testing::ProcessResult twin(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {testing::python(), testing::source_dir() / "tests/golden/volume_twin.py"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return testing::run_process(command);
}

/// resnet3d with a file of random weights of this network of torchvision, which it leaves as weights.pth in the folder.
std::shared_ptr<Network> loaded_resnet3d(const std::filesystem::path& folder, const std::string& theirs) {
  const auto made = twin({"make", theirs, folder / "weights.pth"});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  auto network = make_network({.name = "resnet3d", .depth = kDepth, .size_px = kSize, .seed = 3});
  load_backbone(*network, folder / "weights.pth");
  return network;
}

class VolumesTest : public ::testing::TestWithParam<const char*> {
 protected:
  testing::TempDir directory_;
};

/// In float64: a value that rounding moves across the kink of a ReLU, or past its neighbour in a pool, has another
/// gradient.
TEST_P(VolumesTest, IsThePlainPyTorchNetworkWithTheSameGradients) {
  const std::string row = GetParam();
  const auto network = row == "resnet3d" ? loaded_resnet3d(directory_.path(), "r3d_18")
                                         : make_network({.name = row, .depth = kDepth, .size_px = kSize, .seed = 3});
  network->to(torch::kFloat64);
  const torch::Tensor stacks = some_stacks();
  const torch::Tensor logits = network->forward(stacks.to(torch::kFloat64), {});
  torch::cross_entropy_loss(logits, torch::tensor({0, 1, 1}, torch::kInt64)).backward();
  std::filesystem::create_directory(directory_ / "gradients");
  for (const auto& item : network->named_parameters()) {
    if (item.value().requires_grad()) write_raw(directory_ / "gradients" / item.key(), item.value().grad());
  }
  write_raw(directory_ / "stacks.f32", stacks);
  write_raw(directory_ / "logits.f64", logits);
  const auto metadata = testing::test_bundle_metadata({.network = row, .depth = kDepth, .size_px = kSize});
  save_bundle(directory_ / "bundle.pt", to_torchscript(*network), metadata);
  const auto checked = twin({directory_.path()});
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
}

TEST_P(VolumesTest, BundleTellsItsDepthAndPredictsVolumesOnly) {
  const auto file = directory_ / "bundle.pt";
  testing::write_test_bundle(file, {.network = GetParam(), .depth = kDepth, .size_px = kSize});
  const auto predictor = load_predictor(file);
  EXPECT_EQ(predictor->metadata().depth, kDepth);
  const ImageBatch batch = batch_of_stacks(some_stacks());
  const std::vector<double> probabilities = predictor->predict(batch);
  ASSERT_EQ(probabilities.size(), 6U);
  for (std::size_t i = 0; i < 6; i += 2) EXPECT_NEAR(probabilities[i] + probabilities[i + 1], 1.0, 1e-9);
  const ImageBatch slices{1, 1, kSize, kSize, std::vector<std::uint16_t>(kSize * kSize)};
  EXPECT_THROW(predictor->predict(slices), InvalidInput);
}

INSTANTIATE_TEST_SUITE_P(Rows, VolumesTest, ::testing::Values("cnn3d", "slice_attention", "resnet3d"),
                         [](const auto& instance) { return std::string(instance.param); });

TEST(SliceAttention, WeighsTheSlicesThatAreThere) {
  const testing::TempDir directory;
  testing::write_test_bundle(directory / "bundle.pt",
                             {.network = "slice_attention", .depth = kDepth, .size_px = kSize});
  const auto predictor = load_predictor(directory / "bundle.pt");
  const std::vector<double> weights = predictor->slice_weights(batch_of_stacks(some_stacks()));
  ASSERT_EQ(weights.size(), 3U * kDepth);
  for (std::size_t stack = 0; stack < 3; ++stack) {
    double sum = 0.0;
    for (std::size_t slice = 0; slice < kDepth; ++slice) sum += weights[stack * kDepth + slice];
    EXPECT_NEAR(sum, 1.0, 1e-6);
  }
  EXPECT_THROW(predictor->slice_weights({1, 1, kSize, kSize, std::vector<std::uint16_t>(kSize * kSize)}), InvalidInput);
  EXPECT_EQ(weights[5], 0.0);
  EXPECT_EQ(weights[9], 0.0);
  EXPECT_GT(weights[6], 0.0);
}

TEST(SliceAttention, DependsOnNoSliceThatIsNotThere) {
  const auto network = make_network({.name = "slice_attention", .depth = kDepth, .size_px = kSize, .seed = 3});
  const torch::NoGradGuard no_gradient;
  const torch::Tensor stacks = some_stacks();
  const torch::Tensor logits = network->forward(stacks, {});
  const torch::Tensor shorter = network->forward(stacks.slice(0, 1, 2).slice(2, 1, 4), {});
  EXPECT_LE((logits[1] - shorter[0]).abs().max().item<double>(), 1e-5);
}

TEST(SliceAttention, BeginsWithThePretrainedMapsOnly) {
  const auto network = make_network({.name = "slice_attention", .depth = kDepth, .size_px = kSize});
  EXPECT_TRUE(network->is_backbone("features_12.squeeze.weight"));
  EXPECT_FALSE(network->is_backbone("attention.score.weight"));
  EXPECT_FALSE(network->is_backbone("classifier.weight"));
}

TEST(ResNet3d, InflatesTheKernelsOfTheTwoDimensionalNetwork) {
  const testing::TempDir directory;
  const auto network = loaded_resnet3d(directory.path(), "resnet18");
  save_bundle(directory / "bundle.pt", to_torchscript(*network),
              testing::test_bundle_metadata({.network = "resnet3d", .depth = kDepth, .size_px = kSize}));
  const auto checked = twin({"inflated", directory.path()});
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
}

TEST(ResNet3d, InflatesABundleOfTheTwoDimensionalRow) {
  const testing::TempDir directory;
  testing::write_test_bundle(directory / "bundle.pt", {.network = "resnet18", .size_px = 32, .seed = 8});
  const auto network = make_network({.name = "resnet3d", .depth = kDepth, .size_px = kSize, .seed = 3});
  load_backbone(*network, directory / "bundle.pt");
  const torch::Tensor flat = load_bundle(directory / "bundle.pt")
                                 .module.attr("layer2_0")
                                 .toModule()
                                 .attr("conv1")
                                 .toModule()
                                 .attr("weight")
                                 .toTensor();
  const torch::Tensor deep = network->named_parameters()["layer2_0.conv1_0.weight"];
  EXPECT_LT((deep.sum(2) - flat).abs().max().item<float>(), 1e-6F);
}

TEST(ResNet3d, RefusesAFileOfAnotherNetwork) {
  const testing::TempDir directory;
  ASSERT_EQ(twin({"make", "squeezenet1_1", directory / "weights.pth"}).exit_code, 0);
  const auto network = make_network({.name = "resnet3d", .depth = kDepth, .size_px = kSize});
  try {
    load_backbone(*network, directory / "weights.pth");
    ADD_FAILURE() << "accepted";
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "weights");
    EXPECT_NE(std::string(error.what()).find("no tensor stem.0.weight"), std::string::npos) << error.what();
  }
}

TEST(ResNet3d, RunsInBfloat16) {
  const testing::TempDir directory;
  const auto network = loaded_resnet3d(directory.path(), "r3d_18");
  torch::manual_seed(2);
  const torch::Tensor stacks = torch::rand({2, 1, kDepth, kSize, kSize});
  const torch::Tensor expected = network->forward(stacks, {}).detach();
  network->to(torch::kBFloat16);
  const torch::Tensor logits = network->forward(stacks.to(torch::kBFloat16), {});
  EXPECT_EQ(logits.scalar_type(), torch::kBFloat16);
  EXPECT_LT((logits.to(torch::kFloat) - expected).abs().max().item<float>(),
            0.08F * expected.abs().max().item<float>());
  logits.square().sum().backward();
  for (const auto& item : network->named_parameters()) {
    if (item.value().requires_grad()) {
      EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>()) << item.key();
    }
  }
}

TEST(Cnn3d, PoolsSlicesOnceTheyAreAsCloseAsPixels) {
  // A cube is pooled alike in all directions, a flat stack keeps its slices.
  const auto cube = make_network({.name = "cnn3d", .depth = 16, .size_px = 16});
  const auto flat = make_network({.name = "cnn3d", .depth = 2, .size_px = 64});
  EXPECT_NE(cube->script().find("torch.max_pool3d(x, [2, 2, 2])"), std::string::npos);
  EXPECT_EQ(cube->script().find("torch.max_pool3d(x, [1, 2, 2])"), std::string::npos);
  EXPECT_EQ(flat->script().find("torch.max_pool3d(x, [2, 2, 2])"), std::string::npos);
}

}  // namespace
}  // namespace pulmo
