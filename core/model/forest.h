#pragma once

#include <cstdint>
#include <opencv2/core/mat.hpp>
#include <vector>

#include "core/model/feature_rows.h"

namespace torch::jit {
struct Module;
}

namespace pulmo {

/// What is tried: the depth and the number of features tried at each split with the highest mean ROC-AUC over the
/// folds are taken.
struct ForestOptions {
  int trees = 200;
  int search_trees = 50;                                ///< of each forest that is only tried (at most `trees`)
  std::vector<int> depth_grid = {5, 10, 20};            ///< at most 30
  std::vector<double> feature_share_grid = {0.1, 0.3};  ///< of F
  int min_samples = 5;                                  ///< a node with fewer is not split
  int folds = 5;                                        ///< patient-grouped, stratified
  std::uint64_t seed = 0;                               ///< of the folds
  int search_samples = 2000;  ///< the grid search sees whole patients up to this many samples; the fit sees all
  int threads = 1;
};

/// All nodes of all trees, children after their parent. A sample goes left when its feature is at most the threshold.
struct ForestModel {
  std::vector<std::int64_t> roots;                 ///< one a tree
  std::vector<std::int64_t> feature, left, right;  ///< a leaf has itself as both children
  std::vector<float> threshold;
  std::vector<std::int64_t> vote;  ///< class a leaf votes for; 0 at inner nodes
  int depth = 0;                   ///< of the deepest leaf, the root having 0
  double feature_share = 0.0;      ///< chosen
  double validation_auc = 0.0;     ///< of the chosen pair, mean over folds (and over classes when K > 2)
  int classes = 2;
};

/// Trains the random forest row (Breiman 2001; OpenCV's RTrees) on raw features. Deterministic.
/// Throws InvalidInput("training_data") as validate(FeatureRows), InvalidInput("configuration") for values out of
/// range.
ForestModel train_forest(const FeatureRows& rows, const ForestOptions& options);

/// (N,K) CV_64FC1: (votes + 1/2) / (trees + K/2), so that no probability is 0.
cv::Mat forest_probabilities(const ForestModel& model, const cv::Mat& features);

/// A module that takes features (N,F) float32 and returns the logarithms of those probabilities as logits (N,K). For a
/// bundle with BundleInput::kFeatures.
torch::jit::Module forest_to_torchscript(const ForestModel& model);

}  // namespace pulmo
