#include "core/model/explain.h"

#include <ATen/Context.h>
#include <ATen/ops/rand.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <thread>

#include "core/model/bundle.h"
#include "core/model/inference_module.h"
#include "core/model/integrated_gradients.h"
#include "core/model/majority.h"
#include "core/support/error.h"
#include "core/support/seed.h"
#include "tests/support/bundle_fixture.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

constexpr int kSize = 28;
constexpr std::int64_t kDepth = 5;  // of the rows of volumes

bool always() {
  return true;
}

/// Noise, and two round lungs; of several slices one below the other, each with lungs of its own.
struct Picture {
  cv::Mat image;
  cv::Mat lungs;

  explicit Picture(int slices = 1, int side = kSize)
      : image(slices * side, side, CV_16UC1), lungs(cv::Mat::zeros(slices * side, side, CV_8UC1)) {
    Random random(3);
    for (auto& pixel : cv::Mat_<std::uint16_t>(image)) pixel = static_cast<std::uint16_t>(random.below(65536));
    for (int slice = 0; slice < slices; ++slice) {
      cv::circle(lungs, {8, slice * side + 14}, 6, cv::Scalar(1), cv::FILLED);
      cv::circle(lungs, {21, slice * side + 13}, 5 - slice, cv::Scalar(1), cv::FILLED);
    }
  }
};

void write_raw(const std::filesystem::path& path, const cv::Mat& values) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data),
             static_cast<std::streamsize>(values.total() * values.elemSize()));
}

class ExplainTest : public ::testing::Test {
 protected:
  testing::ProcessResult twin(const std::string& what, const std::vector<std::string>& arguments = {}) {
    std::vector<std::string> command = {testing::python(), testing::source_dir() / "tests/golden/explain_twin.py", what,
                                        directory_.path()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return testing::run_process(command);
  }

  /// All maps of the bundle, against the second implementation.
  void compare(const std::filesystem::path& bundle, const Picture& picture = Picture()) {
    const auto predictor = load_predictor(bundle);
    const ImageBatch batch = batch_of(picture.image, 1, predictor->metadata().depth);
    const std::int64_t slices = picture.image.rows / picture.image.cols;
    const auto heat = predictor->grad_cam(batch, 1);
    const auto integrated = predictor->integrated_gradients(batch, 1);
    ASSERT_TRUE(heat && integrated);
    const auto loss = occlusion_map(*predictor, picture.image, picture.lungs, 1, {8, 5, 3}, always);
    write_raw(directory_ / "image.u16", picture.image);
    write_raw(directory_ / "lungs.u8", picture.lungs);
    write_raw(directory_ / "grad_cam.f32", part_of_slices(*heat, slices));
    write_raw(directory_ / "integrated_gradients.f32", part_of_slices(*integrated, slices));
    write_raw(directory_ / "occlusion.f32", loss.value());
    const auto result = twin("check", {bundle});
    EXPECT_EQ(result.exit_code, 0) << bundle << "\n" << result.out << result.err;
  }

  testing::TempDir directory_;
  std::filesystem::path file_ = directory_ / "bundle.pt";
  Picture picture_;
};

TEST_F(ExplainTest, PlainPyTorchExplainsOurNetworksTheSame) {
  for (const std::string name : {"proposed_cnn", "attention_cnn", "conventional_cnn"}) {
    testing::write_test_bundle(file_, {.network = name, .size_px = kSize, .temperature = 1.5, .seed = 4});
    compare(file_);
  }
}

TEST_F(ExplainTest, PlainPyTorchExplainsTheSlicesOfVolumesTheSame) {
  for (const std::int64_t depth : {kDepth, std::int64_t{16}}) {  // of the latter slices are pooled too
    testing::write_test_bundle(file_, {.network = "cnn3d", .depth = depth, .size_px = kSize, .seed = 3});
    for (const int slices : {1, 4, 5}) compare(file_, Picture(slices));
  }
}

/// Each slice has maps of its own.
TEST_F(ExplainTest, PlainPyTorchExplainsAttentionOverSlicesTheSame) {
  testing::write_test_bundle(file_, {.network = "slice_attention", .depth = kDepth, .size_px = 64, .seed = 3});
  for (const int slices : {1, 4}) compare(file_, Picture(slices, 64));
}

TEST_F(ExplainTest, PlainPyTorchExplainsModulesMadeInPythonTheSame) {
  testing::write_test_bundle(file_, {.size_px = kSize});
  const auto made = twin("make");
  ASSERT_EQ(made.exit_code, 0) << made.out << made.err;
  compare(directory_ / "scripted.pt");
}

TEST_F(ExplainTest, EveryNetworkHasAHeatMap) {
  for (const std::string& name : network_names()) {
    const std::int64_t depth = takes_volumes(name) ? kDepth : 0;
    testing::write_test_bundle(file_, {.network = name, .channels = 3, .depth = depth, .size_px = 64});
    cv::Mat image(64, 64, CV_16UC1, cv::Scalar(30000));
    cv::circle(image, {20, 30}, 9, cv::Scalar(60000), cv::FILLED);
    const auto predictor = load_predictor(file_);
    double sum = 0.0;
    for (const std::size_t k : {0U, 1U}) {
      const auto heat = predictor->grad_cam(batch_of(image, 3, depth), k);
      ASSERT_TRUE(heat) << name;
      EXPECT_EQ(heat->size(), cv::Size(64, depth > 0 ? kDepth * 64 : 64));
      EXPECT_TRUE(cv::checkRange(*heat));
      sum += cv::sum(*heat)[0];
    }
    EXPECT_GT(sum, 0.0) << name;
  }
}

TEST_F(ExplainTest, TellsNetworksWhoseGradCamTellsPlaces) {
  const auto tells = [this](const std::string& name, int size_px) {
    testing::write_test_bundle(file_, {.network = name, .depth = takes_volumes(name) ? kDepth : 0, .size_px = size_px});
    return load_predictor(file_)->grad_cam_tells_places();
  };
  for (const char* name : {"squeezenet", "slice_attention"}) EXPECT_TRUE(tells(name, 96)) << name;
  for (const char* flattening : {"proposed_cnn", "conventional_cnn", "attention_cnn", "cnn3d"}) {
    EXPECT_FALSE(tells(flattening, 96)) << flattening;
  }
  for (const char* coarse : {"resnet18", "densenet121"}) EXPECT_FALSE(tells(coarse, 96)) << coarse;  // 3 x 3 places
  EXPECT_TRUE(tells("resnet18", 128));
}

/// The midpoint rule is exact where the gradient does not change on the way, as in our untrained networks, whose biases
/// are 0. The pretrained ones scale and shift the picture first, and attention bends: what 32 steps leave is a small
/// part of all attributions.
TEST_F(ExplainTest, IntegratedGradientsAddUpToWhatTheImageChangesInTheLogit) {
  for (const std::string& name : network_names()) {
    const std::int64_t depth = takes_volumes(name) ? kDepth : 0;
    testing::write_test_bundle(file_, {.network = name, .channels = 3, .depth = depth, .size_px = 64});
    const Bundle bundle = load_bundle(file_);
    const auto gradients = IntegratedGradients::of(bundle.module, bundle.metadata);
    ASSERT_TRUE(gradients) << name;
    at::manual_seed(1);
    torch::Tensor image = at::rand({1, 3, 64, 64});
    if (depth > 0) image = image.unsqueeze(2).repeat({1, 1, depth, 1, 1});
    const torch::Tensor change = run_module(bundle.module, image, 2) - run_module(bundle.module, image * 0.0, 2);
    for (const std::int64_t k : {0, 1}) {
      const torch::Tensor attributions = gradients->attributions(image, k);
      EXPECT_EQ(attributions.sizes(), image.sizes());
      const double expected = change[0][k].item<double>();
      const bool exact = name == "proposed_cnn" || name == "conventional_cnn" || name == "cnn3d";
      const double tolerance = exact ? 1e-4 * std::abs(expected) : 2e-3 * attributions.abs().sum().item<double>();
      EXPECT_NEAR(attributions.sum().item<double>(), expected, tolerance) << name;
    }
  }
}

TEST_F(ExplainTest, ManyThreadsAtOnceGetTheSameHeatMaps) {
  testing::write_test_bundle(file_, {.size_px = kSize});
  const auto predictor = load_predictor(file_, 1);
  std::vector<cv::Mat> maps(6), integrated(6);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < maps.size(); ++i) {
      threads.emplace_back([&, i] {
        maps[i] = predictor->grad_cam(batch_of(picture_.image, 1), 1).value();
        integrated[i] = predictor->integrated_gradients(batch_of(picture_.image, 1), 1).value();
      });
    }
  }
  for (const cv::Mat& map : maps) EXPECT_LE(cv::norm(map, maps.front(), cv::NORM_INF), 1e-7);
  for (const cv::Mat& map : integrated) EXPECT_LE(cv::norm(map, integrated.front(), cv::NORM_INF), 1e-7);
}

TEST_F(ExplainTest, ARowWithoutGradientsHasOcclusionAlone) {
  BundleMetadata metadata = testing::test_bundle_metadata({.size_px = kSize});
  metadata.row = "majority";
  save_bundle(file_, majority_to_torchscript({3, 7}), metadata);
  const auto predictor = load_predictor(file_);
  EXPECT_FALSE(predictor->grad_cam(batch_of(picture_.image, 1), 0));
  EXPECT_FALSE(predictor->integrated_gradients(batch_of(picture_.image, 1), 0));
  const auto loss = occlusion_map(*predictor, picture_.image, picture_.lungs, 1, {8, 5, 3}, always);
  EXPECT_EQ(cv::countNonZero(loss.value()), 0);
  EXPECT_FALSE(summarise_heat(loss.value(), picture_.lungs));
}

TEST_F(ExplainTest, RefusesABatchThatDoesNotFit) {
  testing::write_test_bundle(file_, {.size_px = 32});
  EXPECT_THROW(load_predictor(file_)->grad_cam(batch_of(picture_.image, 1), 0), InvalidInput);
  EXPECT_THROW(load_predictor(file_)->integrated_gradients(batch_of(picture_.image, 1), 0), InvalidInput);
}

TEST_F(ExplainTest, OcclusionStopsWhenToldTo) {
  testing::write_test_bundle(file_, {.size_px = kSize});
  const auto predictor = load_predictor(file_);
  int asked = 0;
  const auto twice = [&asked] { return ++asked < 3; };
  EXPECT_FALSE(occlusion_map(*predictor, picture_.image, picture_.lungs, 1, {8, 5, 3}, twice));
  EXPECT_EQ(asked, 3);
}

TEST_F(ExplainTest, IntegratedGradientsStopWhenToldTo) {
  testing::write_test_bundle(file_, {.network = "cnn3d", .depth = kDepth, .size_px = kSize});
  const auto predictor = load_predictor(file_);
  int asked = 0;
  const auto twice = [&asked] { return ++asked < 3; };
  EXPECT_FALSE(predictor->integrated_gradients(batch_of(picture_.image, 1, kDepth), 1, twice));
  EXPECT_EQ(asked, 3);
}

TEST(SummariseHeat, FindsThePeakAndTheShareInsideTheLungs) {
  cv::Mat heat = cv::Mat::zeros(4, 5, CV_32FC1);
  heat.at<float>(1, 3) = 3.0F;
  heat.at<float>(2, 0) = 1.0F;
  cv::Mat lungs = cv::Mat::zeros(4, 5, CV_8UC1);
  lungs.at<std::uint8_t>(1, 3) = 1;
  const auto summary = summarise_heat(heat, lungs);
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->peak, cv::Point(3, 1));
  EXPECT_DOUBLE_EQ(summary->inside_lungs, 0.75);
}

}  // namespace
}  // namespace pulmo
