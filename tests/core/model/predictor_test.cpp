#include "core/model/predictor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>
#include <torch/torch.h>

#include <cmath>
#include <fstream>
#include <thread>

#include "core/model/bundle.h"
#include "core/model/features.h"
#include "core/model/svm.h"
#include "core/support/digest.h"
#include "core/support/error.h"
#include "core/support/seed.h"
#include "tests/support/bundle_fixture.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

ImageBatch random_batch(std::int64_t count, std::int64_t channels, std::int64_t size, std::uint64_t seed = 1) {
  Random random(seed);
  ImageBatch batch{count, channels, size, size, {}};
  for (std::int64_t i = 0; i < count * channels * size * size; ++i) {
    batch.pixels.push_back(static_cast<std::uint16_t>(random.below(65536)));
  }
  return batch;
}

/// Sample i alone.
ImageBatch single(const ImageBatch& batch, std::int64_t i) {
  const auto size = static_cast<std::ptrdiff_t>(batch.channels * batch.height * batch.width);
  const auto first = batch.pixels.begin() + i * size;
  return {1, batch.channels, batch.height, batch.width, {first, first + size}};
}

template <typename Value>
void write_raw(const std::filesystem::path& path, const Value* data, std::size_t count) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(count * sizeof(Value)));
}

/// Gradients of the mean cross-entropy, one file a parameter.
void write_gradients(const std::filesystem::path& folder, Network& network, const ImageBatch& batch,
                     const std::vector<std::int64_t>& labels) {
  torch::Tensor images = torch::empty({batch.count, batch.channels, batch.height, batch.width});
  for (std::size_t i = 0; i < batch.pixels.size(); ++i) {
    images.data_ptr<float>()[i] = static_cast<float>(batch.pixels[i]) / 65535.0F;
  }
  torch::cross_entropy_loss(network.forward(images, {}), torch::tensor(labels)).backward();
  std::filesystem::create_directory(folder);
  for (const auto& item : network.named_parameters()) {
    const torch::Tensor gradient = item.value().grad().contiguous();
    write_raw(folder / (item.key() + ".f32"), gradient.data_ptr<float>(), static_cast<std::size_t>(gradient.numel()));
  }
}

class PredictorTest : public ::testing::Test {
 protected:
  std::shared_ptr<const Predictor> load(const testing::TestBundleOptions& options, int threads = 0) {
    testing::write_test_bundle(file_, options);
    return load_predictor(file_, threads);
  }
  testing::TempDir directory_;
  std::filesystem::path file_ = directory_ / "bundle.pt";
};

TEST_F(PredictorTest, BundleNetworkAndPlainPyTorchAgree) {
  const std::vector<std::int64_t> labels = {0, 1, 2, 1, 0};
  for (const std::string name :
       {"proposed_cnn", "attention_cnn", "conventional_cnn"}) {  // backbone_test has the pretrained ones
    testing::TestBundleOptions options{
        .network = name, .channels = 2, .size_px = 28, .classes = {"a", "b", "malignant"}};
    options.temperature = 1.5;
    const auto predictor = load(options);
    const ImageBatch batch = random_batch(5, 2, 28);
    const std::vector<double> probabilities = predictor->predict(batch);
    const auto network = make_network({.name = name, .channels = 2, .size_px = 28, .classes = 3, .seed = options.seed});
    write_gradients(directory_ / "gradients", *network, batch, labels);
    write_raw(directory_ / "pixels.u16", batch.pixels.data(), batch.pixels.size());
    write_raw(directory_ / "labels.i64", labels.data(), labels.size());
    write_raw(directory_ / "probabilities.f64", probabilities.data(), probabilities.size());
    const auto script = testing::source_dir() / "tests/golden/model_twin.py";
    const auto result = testing::run_process({testing::python(), script, directory_.path()});
    EXPECT_EQ(result.exit_code, 0) << name << "\n" << result.out << result.err;
    std::filesystem::remove_all(directory_ / "gradients");
  }
}

TEST_F(PredictorTest, ProbabilitiesOfEachImageSumToOneWhateverItsBatch) {
  const auto predictor = load({.size_px = 40, .classes = {"normal", "malignant", "benign"}});
  const ImageBatch batch = random_batch(6, 1, 40);
  const std::vector<double> together = predictor->predict(batch);
  ASSERT_EQ(together.size(), 18U);
  for (std::int64_t i = 0; i < 6; ++i) {
    const std::vector<double> alone = predictor->predict(single(batch, i));
    double sum = 0.0;
    for (std::size_t k = 0; k < 3; ++k) {
      EXPECT_NEAR(together[static_cast<std::size_t>(i) * 3 + k], alone[k], 1e-6);
      sum += alone[k];
    }
    EXPECT_NEAR(sum, 1.0, 1e-12);
  }
}

TEST_F(PredictorTest, DividesTheLogitsByTheTemperature) {
  const ImageBatch batch = random_batch(1, 1, 32);
  const std::vector<double> plain = load({.temperature = 1.0})->predict(batch);
  const std::vector<double> cooled = load({.temperature = 4.0})->predict(batch);
  EXPECT_NEAR(std::log(plain[1] / plain[0]), 4.0 * std::log(cooled[1] / cooled[0]), 1e-5);
  EXPECT_GT(std::abs(plain[1] - cooled[1]), 1e-4);
}

TEST_F(PredictorTest, TellsItsMetadataAndDigest) {
  const auto predictor = load({.version = "7", .phantom = true});
  EXPECT_EQ(predictor->metadata().version, "7");
  EXPECT_TRUE(predictor->metadata().phantom);
  EXPECT_EQ(predictor->sha256(), sha256_file(file_));
}

TEST_F(PredictorTest, AnswersManyThreadsAtOnceWithTheSameProbabilities) {
  const auto predictor = load({}, 1);
  const ImageBatch batch = random_batch(3, 1, 32);
  const std::vector<double> expected = predictor->predict(batch);
  std::vector<std::vector<double>> answers(8);
  {
    std::vector<std::jthread> threads;
    for (std::vector<double>& answer : answers) {
      threads.emplace_back([&] {
        for (int i = 0; i < 5; ++i) answer = predictor->predict(batch);
      });
    }
  }
  for (const std::vector<double>& answer : answers)
    EXPECT_THAT(answer, ::testing::Pointwise(::testing::DoubleNear(1e-6), expected));
}

TEST_F(PredictorTest, RunsOnTheThreadsItWasGiven) {
  const auto predictor = load({}, 2);
  std::jthread([&] {
    predictor->predict(random_batch(1, 1, 32));
    EXPECT_EQ(torch::get_num_threads(), 2);
  });
}

TEST_F(PredictorTest, RefusesABatchOfAnotherShape) {
  const auto predictor = load({.size_px = 32});
  const auto refusal = [&](const ImageBatch& batch) -> std::string {
    try {
      predictor->predict(batch);
    } catch (const InvalidInput& error) {
      EXPECT_EQ(error.reason(), "shape");
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(refusal(random_batch(2, 1, 31)), HasSubstr("1 x 31 x 31, the model takes 1 x 32 x 32"));
  EXPECT_THAT(refusal(random_batch(2, 3, 32)), HasSubstr("3 x 32 x 32"));
  ImageBatch short_batch = random_batch(2, 1, 32);
  short_batch.pixels.pop_back();
  EXPECT_THAT(refusal(short_batch), HasSubstr("needs 2048 values, it holds 2047"));
  EXPECT_THAT(refusal({0, 1, 32, 32, {}}), HasSubstr("0 images"));
}

TEST_F(PredictorTest, RefusesAModelWhoseLogitsDoNotFitItsClasses) {
  const auto network = make_network({.name = "proposed_cnn", .size_px = 32, .classes = 3});
  save_bundle(file_, to_torchscript(*network), testing::test_bundle_metadata());
  try {
    load_predictor(file_);
    ADD_FAILURE();
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "bundle");
    EXPECT_THAT(error.what(), HasSubstr("2 classes"));
  }
}

/// A module that pulmo did not write.
torch::jit::Module foreign(const std::string& methods) {
  torch::jit::Module module("Foreign");
  module.define(methods + "\n");
  return module;
}

TEST_F(PredictorTest, RefusesAModelMadeElsewhereThatDoesNotRunAndSaysWhy) {
  const auto refusal = [&](const torch::jit::Module& module) -> std::string {
    save_bundle(file_, module, testing::test_bundle_metadata());
    try {
      load_predictor(file_);
    } catch (const InvalidInput& error) {
      return error.reason() + ": " + error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal(foreign("def forward(self, x):\n  return x.flatten(1)[:, :2]")), "accepted");
  EXPECT_THAT(refusal(foreign("def forward(self, x):\n  return torch.matmul(x.flatten(1), torch.zeros([16, 2]))")),
              AllOf(HasSubstr("bundle: "), HasSubstr(file_.string()), HasSubstr("2 x 1 x 32 x 32"), HasSubstr("mat1")));
  for (const char* other : {"def forward(self, x):\n  return x, x", "def forward(self, x, y: Tensor):\n  return x"}) {
    EXPECT_THAT(refusal(foreign(other)),
                AllOf(HasSubstr("bundle: "), HasSubstr("2 x 1 x 32 x 32: "), Not(HasSubstr("frame #"))))
        << other;
  }
  EXPECT_THAT(refusal(foreign("def forward(self, x):\n  return x.flatten(1)[:, :2] * float('nan')")),
              AllOf(HasSubstr("bundle: "), HasSubstr("no numbers")));
  torch::jit::Module spoilt = foreign("def forward(self, x):\n  return x.flatten(1)[:, :2]");
  spoilt.register_buffer("running_mean", torch::full({3}, NAN));
  EXPECT_THAT(refusal(spoilt), AllOf(HasSubstr("bundle: "), HasSubstr("no numbers")));
}

TEST_F(PredictorTest, RefusesWeightsThatAreNotOneOfEachSlice) {
  save_bundle(file_,
              foreign("def forward(self, x):\n  return x.flatten(1)[:, :2]\n"
                      "def slice_weights(self, x):\n  return torch.ones([1, 1])"),
              testing::test_bundle_metadata({.network = "slice_attention", .depth = 3}));
  const auto predictor = load_predictor(file_);
  ImageBatch batch = random_batch(1, 1, 32);
  batch.depth = 3;
  batch.pixels.resize(3 * batch.pixels.size());
  EXPECT_EQ(predictor->predict(batch).size(), 2U);
  EXPECT_THROW(predictor->slice_weights(batch), InvalidInput);
}

TEST_F(PredictorTest, ServesAFeatureRowLikeAnyOther) {
  const int size = 32;
  FeatureRows rows;
  std::vector<ImageBatch> images;
  for (std::uint64_t i = 0; i < 24; ++i) {
    ImageBatch batch = random_batch(1, 1, size, i);
    if (i % 2 == 1) {  // darker, so that there is something to learn
      for (std::uint16_t& pixel : batch.pixels) pixel = static_cast<std::uint16_t>(pixel / 2);
    }
    const std::vector<float> row = extract_features(cv::Mat(size, size, CV_16UC1, batch.pixels.data()));
    rows.features.push_back(cv::Mat(row).reshape(1, 1));
    rows.labels.push_back(static_cast<int>(i % 2));
    rows.patients.push_back(std::to_string(i));
    images.push_back(batch);
  }
  const SvmModel model = train_svm(rows, {.c_grid = {1.0}, .gamma_grid = {1.0}});
  BundleMetadata metadata = testing::test_bundle_metadata({.size_px = size});
  metadata.row = "svm";
  metadata.input = BundleInput::kFeatures;
  save_bundle(file_, svm_to_torchscript(model), metadata);
  const auto predictor = load_predictor(file_);
  const std::vector<double> decisions = decision_values(model, model.machines[0], rows.features);
  for (std::size_t i = 0; i < images.size(); ++i) {
    const double expected = model.machines[0].platt.probability(decisions[i]);
    EXPECT_NEAR(predictor->predict(images[i])[1], expected, 1e-6);
  }
}

TEST_F(PredictorTest, StillReadsABundleOfFormatVersionOne) {
  const auto folder = testing::source_dir() / "tests/core/model/data";
  const auto predictor = load_predictor(folder / "bundle-v1.pt");
  const BundleMetadata& metadata = predictor->metadata();
  EXPECT_EQ(metadata.row, "conventional_cnn");
  EXPECT_EQ(metadata.version, "3");
  EXPECT_EQ(metadata.class_names, (std::vector<std::string>{"normal", "malignant"}));
  EXPECT_EQ(metadata.positive_class, "malignant");
  EXPECT_EQ(metadata.threshold, 0.4);
  EXPECT_EQ(metadata.temperature, 1.25);
  EXPECT_TRUE(metadata.phantom);
  ASSERT_EQ(metadata.spec.size_px, 16);
  ImageBatch batch{1, 1, 16, 16, {}};
  for (std::uint32_t i = 0; i < 256; ++i) batch.pixels.push_back(static_cast<std::uint16_t>((i * 2654435761U) >> 16U));
  std::ifstream golden(folder / "bundle-v1.golden.txt");
  for (const double probability : predictor->predict(batch)) {
    double expected = -1.0;
    golden >> expected;
    EXPECT_NEAR(probability, expected, 1e-5);
  }
}

}  // namespace
}  // namespace pulmo
