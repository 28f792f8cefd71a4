#include "core/model/forest.h"

#include <gtest/gtest.h>
#include <torch/script.h>

#include <opencv2/core.hpp>
#include <opencv2/ml.hpp>

#include "core/support/error.h"
#include "core/support/seed.h"

namespace pulmo {
namespace {

/// The class is whether (or, for three classes, how often) the first features are positive: no straight line parts
/// them.
FeatureRows checkers(int samples, int classes, std::uint64_t seed) {
  Random random(seed);
  FeatureRows rows{cv::Mat(samples, 5, CV_32F), {}, {}, classes};
  for (int i = 0; i < samples; ++i) {
    for (int f = 0; f < 5; ++f) rows.features.at<float>(i, f) = static_cast<float>(random.normal());
    const int a = rows.features.at<float>(i, 0) > 0.0F ? 1 : 0;
    const int b = rows.features.at<float>(i, 1) > 0.0F ? 1 : 0;
    rows.labels.push_back(classes == 2 ? a ^ b : a + b);
    rows.patients.push_back(std::to_string(i / 2));
  }
  return rows;
}

torch::Tensor tensor_of(const cv::Mat& features) {
  return torch::from_blob(features.data, {features.rows, features.cols}, torch::kFloat).clone();
}

TEST(Forest, VotesAsTheTreesOfOpenCv) {
  const FeatureRows train = checkers(300, 3, 1);
  const FeatureRows test = checkers(100, 3, 2);
  const ForestModel model =
      train_forest(train, {.trees = 40, .depth_grid = {6}, .feature_share_grid = {0.6}, .seed = 8});
  const auto twin = cv::ml::RTrees::create();
  twin->setMaxDepth(6);
  twin->setActiveVarCount(3);
  twin->setMinSampleCount(5);
  twin->setTermCriteria({cv::TermCriteria::COUNT, 40, 0.0});
  cv::theRNG().state = derive_seed(8, "forest");
  twin->train(train.features, cv::ml::ROW_SAMPLE, cv::Mat(train.labels));
  cv::Mat votes;
  twin->getVotes(test.features, votes, 0);  // the first row holds the labels
  const cv::Mat p = forest_probabilities(model, test.features);
  for (int i = 0; i < test.features.rows; ++i) {
    for (int k = 0; k < 3; ++k) EXPECT_NEAR(p.at<double>(i, k), (votes.at<int>(i + 1, k) + 0.5) / 41.5, 1e-12);
  }
}

TEST(Forest, ModuleGivesItsProbabilitiesAtAnyBatchSize) {
  const ForestModel model =
      train_forest(checkers(300, 3, 1), {.trees = 20, .depth_grid = {8}, .feature_share_grid = {0.5}});
  torch::jit::Module module = forest_to_torchscript(model);
  for (const int count : {1, 50}) {
    const FeatureRows test = checkers(count, 3, 3);
    const cv::Mat expected = forest_probabilities(model, test.features);
    const torch::Tensor p = torch::softmax(module.forward({tensor_of(test.features)}).toTensor().to(torch::kDouble), 1);
    for (int i = 0; i < count; ++i) {
      for (int k = 0; k < 3; ++k) EXPECT_NEAR(p[i][k].item<double>(), expected.at<double>(i, k), 1e-6);
    }
  }
}

TEST(Forest, LearnsWhatNoStraightLineParts) {
  const ForestModel model = train_forest(checkers(600, 2, 4), {.trees = 60, .threads = 2});
  EXPECT_GT(model.validation_auc, 0.9);
  const FeatureRows test = checkers(200, 2, 5);
  const cv::Mat p = forest_probabilities(model, test.features);
  std::vector<double> scores;
  std::vector<bool> positive;
  for (int i = 0; i < 200; ++i) {
    scores.push_back(p.at<double>(i, 1));
    positive.push_back(test.labels[static_cast<std::size_t>(i)] == 1);
  }
  EXPECT_GT(roc_auc(scores, positive), 0.9);
}

TEST(Forest, IsTheSameOnAnyNumberOfThreadsAndFollowsItsSeed) {
  const FeatureRows rows = checkers(200, 2, 6);
  const auto grown = [&](int threads, std::uint64_t seed) {
    return train_forest(rows, {.trees = 10, .depth_grid = {3, 6}, .seed = seed, .threads = threads}).threshold;
  };
  EXPECT_EQ(grown(1, 1), grown(3, 1));
  EXPECT_NE(grown(1, 1), grown(1, 2));
}

TEST(Forest, RefusesValuesOutOfRange) {
  const FeatureRows rows = checkers(40, 2, 1);
  EXPECT_THROW(train_forest(rows, {.trees = 0}), InvalidInput);
  EXPECT_THROW(train_forest(rows, {.search_trees = 0}), InvalidInput);
  EXPECT_THROW(train_forest(rows, {.depth_grid = {}}), InvalidInput);
  EXPECT_THROW(train_forest(rows, {.depth_grid = {31}}), InvalidInput);
  EXPECT_THROW(train_forest(rows, {.feature_share_grid = {1.5}}), InvalidInput);
  EXPECT_THROW(train_forest(rows, {.min_samples = 0}), InvalidInput);
  EXPECT_THROW(train_forest({}, {}), InvalidInput);
}

}  // namespace
}  // namespace pulmo
