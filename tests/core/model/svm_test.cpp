#include "core/model/svm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <fstream>

#include "core/model/bundle.h"
#include "core/model/majority.h"
#include "core/support/error.h"
#include "core/support/seed.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

/// Two or more overlapping clouds in a few dimensions of very different scale, some samples to a patient.
FeatureRows clouds(int samples, int classes, std::uint64_t seed) {
  Random random(seed);
  FeatureRows rows{cv::Mat(samples, 6, CV_32F), {}, {}, classes};
  for (int i = 0; i < samples; ++i) {
    const int patient = i / 3;
    const int label = patient % classes;
    for (int f = 0; f < 6; ++f) {
      const double shift = f < 3 ? 1.2 * (f == label % 3 ? 1.0 : 0.0) : 0.0;
      rows.features.at<float>(i, f) = static_cast<float>(std::pow(10.0, f - 2) * random.normal(shift));
    }
    rows.labels.push_back(label);
    rows.patients.push_back(std::to_string(patient));
  }
  return rows;
}

torch::Tensor tensor_of(const cv::Mat& features) {
  return torch::from_blob(features.data, {features.rows, features.cols}, torch::kFloat).clone();
}

void write_raw(const std::filesystem::path& path, const void* data, std::size_t bytes) {
  std::ofstream(path, std::ios::binary).write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
}

TEST(Svm, AgreesWithScikitLearn) {
  const FeatureRows train = clouds(240, 2, 1);
  const FeatureRows test = clouds(90, 2, 2);
  const SvmModel model = train_svm(train, {.c_grid = {3.0}, .gamma_grid = {1.0}});
  const std::vector<double> decisions = decision_values(model, model.machines[0], test.features);
  const torch::Tensor logits = svm_to_torchscript(model).forward({tensor_of(test.features)}).toTensor();
  const testing::TempDir directory;
  std::vector<double> fit;  // what scikit-learn is to repeat
  fit.insert(fit.end(), {model.c, model.gamma, model.machines[0].platt.slope, model.machines[0].platt.offset});
  write_raw(directory / "train.f32", train.features.data, train.features.total() * sizeof(float));
  write_raw(directory / "labels.i32", train.labels.data(), train.labels.size() * sizeof(int));
  write_raw(directory / "test.f32", test.features.data, test.features.total() * sizeof(float));
  write_raw(directory / "decisions.f64", decisions.data(), decisions.size() * sizeof(double));
  write_raw(directory / "fit.f64", fit.data(), fit.size() * sizeof(double));
  write_raw(directory / "logits.f32", logits.contiguous().data_ptr<float>(), decisions.size() * 2 * sizeof(float));
  const auto script = testing::source_dir() / "tests/golden/svm_twin.py";
  const auto result = testing::run_process({testing::python(), script, directory.path(), "6"});
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
}

TEST(Svm, FindsAPairThatSeparatesTheClassesOfUnseenPatients) {
  for (const int classes : {2, 3}) {
    const FeatureRows test = clouds(150, classes, 4);
    const SvmModel model = train_svm(clouds(300, classes, 3), {.search_samples = 150, .threads = 2});
    EXPECT_GT(model.validation_auc, 0.75);
    ASSERT_EQ(model.machines.size(), classes == 2 ? 1U : 3U);
    const torch::Tensor logits = svm_to_torchscript(model).forward({tensor_of(test.features)}).toTensor();
    const torch::Tensor p = torch::softmax(logits.to(torch::kDouble), 1);
    for (int k = 0; k < classes; ++k) {
      std::vector<double> scores;
      std::vector<bool> positive;
      for (int i = 0; i < test.features.rows; ++i) {
        scores.push_back(p[i][k].item<double>());
        positive.push_back(test.labels[static_cast<std::size_t>(i)] == k);
      }
      EXPECT_GT(roc_auc(scores, positive), 0.75) << "class " << k << " of " << classes;
    }
  }
}

TEST(Svm, GivesTheSameModelOnAnyNumberOfThreads) {
  const FeatureRows rows = clouds(120, 2, 5);
  const SvmModel one = train_svm(rows, {.c_grid = {1, 10}, .gamma_grid = {0.3, 1}, .threads = 1});
  const SvmModel three = train_svm(rows, {.c_grid = {1, 10}, .gamma_grid = {0.3, 1}, .threads = 3});
  EXPECT_EQ(one.c, three.c);
  EXPECT_EQ(one.gamma, three.gamma);
  EXPECT_EQ(one.machines[0].coefficients, three.machines[0].coefficients);
}

TEST(Svm, RefusesWhatCannotBeLearntFrom) {
  const auto refusal = [](const FeatureRows& rows) -> std::string {
    try {
      train_svm(rows, {});
    } catch (const InvalidInput& error) {
      EXPECT_EQ(error.reason(), "training_data");
      return error.what();
    }
    return "accepted";
  };
  FeatureRows one_class = clouds(30, 2, 1);
  std::fill(one_class.labels.begin(), one_class.labels.end(), 1);
  EXPECT_THAT(refusal(one_class), ::testing::HasSubstr("class 0 comes from 0 patient(s)"));
  FeatureRows one_patient = clouds(30, 2, 1);
  std::fill(one_patient.patients.begin(), one_patient.patients.end(), "same");
  EXPECT_THAT(refusal(one_patient), ::testing::HasSubstr("comes from 1 patient(s)"));
  FeatureRows infinite = clouds(30, 2, 1);
  infinite.features.at<float>(3, 2) = INFINITY;
  EXPECT_THAT(refusal(infinite), ::testing::HasSubstr("not a finite number"));
  FeatureRows out_of_range = clouds(30, 2, 1);
  out_of_range.labels[4] = 2;
  EXPECT_THAT(refusal(out_of_range), ::testing::HasSubstr("label 2"));
  EXPECT_THAT(refusal({}), ::testing::HasSubstr("no features"));
}

TEST(Svm, RefusesAGridThatIsEmptyOrNotPositive) {
  const FeatureRows rows = clouds(30, 2, 1);
  EXPECT_THROW(train_svm(rows, {.c_grid = {}}), InvalidInput);
  EXPECT_THROW(train_svm(rows, {.gamma_grid = {1.0, -1.0}}), InvalidInput);
  EXPECT_THROW(train_svm(rows, {.folds = 1}), InvalidInput);
}

TEST(Majority, AnswersTheClassFrequencies) {
  torch::jit::Module module = majority_to_torchscript({30, 10, 0});
  const torch::Tensor p = torch::softmax(module.forward({torch::rand({2, 1, 4, 4})}).toTensor(), 1);
  EXPECT_TRUE(torch::allclose(p, torch::tensor({{0.75, 0.25, 0.0}, {0.75, 0.25, 0.0}}), 0.0, 1e-6));
  EXPECT_THROW(majority_to_torchscript({0, 0}), InvalidInput);
}

}  // namespace
}  // namespace pulmo
