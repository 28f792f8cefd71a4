#include "core/model/unet.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <fstream>
#include <opencv2/core.hpp>

#include "core/model/bundle.h"
#include "core/model/network.h"
#include "core/model/predictor.h"
#include "core/support/error.h"
#include "tests/support/bundle_fixture.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

constexpr std::int64_t kSize = 44;  // halves to odd sides: what is enlarged again must fit them

void write_raw(const std::filesystem::path& path, const torch::Tensor& tensor) {
  const torch::Tensor values = tensor.detach().contiguous();
  std::ofstream(path, std::ios::binary)
      .write(static_cast<const char*>(values.data_ptr()), static_cast<std::streamsize>(values.nbytes()));
}

/// Pictures that differ in the large, so that deep layers tell them apart: what hardly varies would be blown up by its
/// normalisation, and rounding with it.
torch::Tensor some_images(std::int64_t count) {
  torch::manual_seed(1);
  const torch::Tensor coarse = torch::rand({count, 1, 5, 5});
  return torch::upsample_bilinear2d(coarse, {kSize, kSize}, false) * 0.8 + 0.2 * torch::rand({count, 1, kSize, kSize});
}

std::shared_ptr<Network> calibrated() {
  auto network = make_network({.name = "unet_densenet", .size_px = kSize, .seed = 3});
  EXPECT_TRUE(calibrate_norms(*network, some_images(32), false));
  return network;
}

/// The parameter of this name.
torch::Tensor named(const Network& network, const std::string& name) {
  return network.named_parameters()[name];
}

/// The loss as training makes it; that its own function agrees, training's tests tell.
torch::Tensor outline_loss(const torch::Tensor& logits, const torch::Tensor& s) {
  const torch::Tensor p = logits.sigmoid();
  const torch::Tensor dice =
      (2 * (p * s).sum({1, 2, 3}) + 1) / (p.square().sum({1, 2, 3}) + s.square().sum({1, 2, 3}) + 1);
  const torch::Tensor entropy = -(s * p.log() + (1 - s) * (1 - p).log()).mean({1, 2, 3});
  return (entropy + 1 - dice).mean();
}

/// In float64: a value that rounding moves across the kink of a ReLU, or past its neighbour in a pool, has another
/// gradient.
TEST(UNetDenseNet, IsThePlainPyTorchNetworkWithTheSameGradients) {
  const testing::TempDir directory;
  const torch::Tensor images = some_images(3);
  const torch::Tensor shares = torch::randint(0, 5, {3, 1, kSize, kSize}) / 4.0;
  const auto network = calibrated();
  network->to(torch::kFloat64);
  const NetworkOutput output = network->forward_outlined(images.to(torch::kFloat64), {});
  const torch::Tensor classes = torch::cross_entropy_loss(output.logits, torch::tensor({0, 1, 1}, torch::kInt64));
  (classes + outline_loss(output.outline_logits, shares.to(torch::kFloat64))).backward();
  std::filesystem::create_directory(directory / "gradients");
  for (const auto& item : network->named_parameters()) {
    if (item.value().requires_grad()) write_raw(directory / "gradients" / item.key(), item.value().grad());
  }
  write_raw(directory / "images.f32", images);
  write_raw(directory / "shares.f32", shares.to(torch::kFloat32));
  write_raw(directory / "logits.f64", output.logits);
  write_raw(directory / "outline_logits.f64", output.outline_logits);
  save_bundle(directory / "bundle.pt", to_torchscript(*network),
              testing::test_bundle_metadata({.network = "unet_densenet", .size_px = kSize}));
  const auto checked =
      testing::run_process({testing::python(), testing::source_dir() / "tests/golden/unet_twin.py", directory.path()});
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
}

TEST(UNetDenseNet, LearnsItsOutlinesFromTheirLossAlone) {
  const torch::Tensor images = some_images(2);
  const auto network = calibrated();
  network->forward(images, {}).sum().backward();
  for (const auto& item : network->named_parameters()) {
    if (!item.value().requires_grad()) continue;
    EXPECT_EQ(item.value().grad().defined(), item.key().rfind("unet.", 0) != 0) << item.key();
  }
  EXPECT_TRUE(learns_outlines("unet_densenet"));
  EXPECT_FALSE(learns_outlines("densenet121"));
}

TEST(UNetDenseNet, BundleOutlinesEachImageWhateverItsChannels) {
  const testing::TempDir directory;
  const torch::Tensor image = some_images(1);
  const auto network = calibrated();
  auto metadata = testing::test_bundle_metadata({.network = "unet_densenet", .channels = 3, .size_px = kSize});
  save_bundle(directory / "bundle.pt", to_torchscript(*network), metadata);
  const auto predictor = load_predictor(directory / "bundle.pt");
  ImageBatch batch{2, 3, kSize, kSize, std::vector<std::uint16_t>(6 * kSize * kSize, 0)};
  for (std::int64_t i = 0; i < 3 * kSize * kSize; ++i) {
    batch.pixels[static_cast<std::size_t>(i)] =
        static_cast<std::uint16_t>(65535.0F * image.data_ptr<float>()[i % (kSize * kSize)]);
  }
  const std::vector<cv::Mat> outlines = predictor->outlines(batch);
  ASSERT_EQ(outlines.size(), 2U);
  const torch::Tensor p = network->forward_outlined(image, {}).outline_logits.sigmoid();
  for (std::int64_t i = 0; i < kSize * kSize; ++i) {
    ASSERT_NEAR(outlines[0].ptr<float>()[i], p.data_ptr<float>()[i], 1e-3);
  }
  EXPECT_GT(cv::norm(outlines[0], outlines[1]), 1e-3);
  testing::write_test_bundle(directory / "other.pt", {.network = "proposed_cnn", .size_px = 32});
  EXPECT_TRUE(
      load_predictor(directory / "other.pt")->outlines({1, 1, 32, 32, std::vector<std::uint16_t>(1024)}).empty());
}

TEST(CalibrateNorms, GivesEachLayerTheStatisticsOfWhatItSees) {
  const torch::Tensor images = some_images(32);
  const auto network = calibrated();
  // Of the first layer these can be computed apart.
  const torch::Tensor maps = torch::conv2d(images, named(*network, "unet.down1.conv1.weight"), {}, 1, 1);
  EXPECT_TRUE(torch::allclose(named(*network, "unet.down1.norm1.running_mean"), maps.mean({0, 2, 3}), 1e-4, 1e-6));
  EXPECT_TRUE(torch::allclose(named(*network, "unet.down1.norm1.running_var"),
                              maps.var(at::IntArrayRef{0, 2, 3}, false), 1e-4, 1e-6));
  // Once calibrated, each sees the same again.
  std::map<std::string, torch::Tensor> before;
  for (const auto& item : network->named_parameters()) before[item.key()] = item.value().detach().clone();
  EXPECT_TRUE(calibrate_norms(*network, images, false));
  for (const auto& item : network->named_parameters()) {
    EXPECT_TRUE(torch::allclose(item.value(), before[item.key()], 1e-4, 1e-6)) << item.key();
  }
}

TEST(CalibrateNorms, LeavesAPretrainedPartAndNetworksWithoutNormalisation) {
  const torch::Tensor images = some_images(2);
  const auto network = make_network({.name = "unet_densenet", .size_px = kSize, .seed = 3});
  EXPECT_TRUE(calibrate_norms(*network, images, true));
  EXPECT_EQ(named(*network, "features.norm0.running_mean").abs().max().item<float>(), 0.0F);
  EXPECT_GT(named(*network, "unet.up1.norm2.running_mean").abs().max().item<float>(), 0.0F);
  EXPECT_FALSE(calibrate_norms(*make_network({.name = "proposed_cnn", .size_px = kSize}), images, false));
  EXPECT_FALSE(calibrate_norms(*make_network({.name = "densenet121", .size_px = kSize}), images, true));
}

}  // namespace
}  // namespace pulmo
