#include "core/model/forest.h"

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/ml.hpp>
#include <string>

#include "core/model/grid_search.h"
#include "core/support/error.h"
#include "core/support/seed.h"

namespace pulmo {
namespace {

struct ForestShape {
  int depth = 10;
  double feature_share = 0.3;
};

SearchOptions search_of(const ForestOptions& options) {
  return {options.folds, options.seed, options.search_samples, options.threads};
}

void check(const ForestOptions& options) {
  const auto refuse = [](const std::string& why) { throw InvalidInput("configuration", "forest: " + why); };
  const auto& depths = options.depth_grid;
  const auto& shares = options.feature_share_grid;
  const auto bad_depth = [](int depth) { return depth < 1 || depth > 30; };
  const auto bad_share = [](double share) { return !(share > 0.0 && share <= 1.0); };
  if (options.trees < 1) refuse("trees must be positive");
  if (options.search_trees < 1) refuse("search_trees must be positive");
  if (options.min_samples < 1) refuse("min_samples must be positive");
  if (depths.empty() || std::any_of(depths.begin(), depths.end(), bad_depth)) refuse("depth_grid must hold 1 to 30");
  if (shares.empty() || std::any_of(shares.begin(), shares.end(), bad_share)) {
    refuse("feature_share_grid must hold numbers above 0, at most 1");
  }
  validate(search_of(options), "forest");
}

/// Copies the nodes of OpenCV's trees; a leaf points to itself, so that a walk of the forest's depth ends in it.
ForestModel convert(const cv::ml::RTrees& forest, int classes) {
  ForestModel model;
  model.classes = classes;
  for (const int root : forest.getRoots()) model.roots.push_back(root);
  const auto& nodes = forest.getNodes();
  const auto& splits = forest.getSplits();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const bool leaf = nodes[i].split < 0;
    const auto self = static_cast<std::int64_t>(i);
    model.left.push_back(leaf ? self : nodes[i].left);
    model.right.push_back(leaf ? self : nodes[i].right);
    model.feature.push_back(leaf ? 0 : splits[static_cast<std::size_t>(nodes[i].split)].varIdx);
    model.threshold.push_back(leaf ? 0.0F : splits[static_cast<std::size_t>(nodes[i].split)].c);
    model.vote.push_back(leaf ? std::lround(nodes[i].value) : 0);
  }
  std::vector<int> depth(nodes.size(), 0);
  for (std::size_t i = 0; i < nodes.size(); ++i) {  // parents come before their children
    if (nodes[i].split < 0) continue;
    for (const int child : {nodes[i].left, nodes[i].right}) {
      depth[static_cast<std::size_t>(child)] = depth[i] + 1;
      model.depth = std::max(model.depth, depth[i] + 1);
    }
  }
  return model;
}

ForestModel fit(const FeatureRows& rows, const ForestShape& shape, int trees, const ForestOptions& options) {
  cv::Mat responses(rows.features.rows, 1, CV_32S);
  for (int i = 0; i < rows.features.rows; ++i) responses.at<int>(i) = rows.labels[static_cast<std::size_t>(i)];
  const auto forest = cv::ml::RTrees::create();
  forest->setMaxDepth(shape.depth);
  forest->setActiveVarCount(std::max(1, static_cast<int>(std::lround(shape.feature_share * rows.features.cols))));
  forest->setMinSampleCount(options.min_samples);
  forest->setTermCriteria({cv::TermCriteria::COUNT, trees, 0.0});
  cv::theRNG().state = derive_seed(options.seed, "forest");  // OpenCV draws from this thread's generator
  forest->train(rows.features, cv::ml::ROW_SAMPLE, responses);
  return convert(*forest, rows.classes);
}

std::int64_t leaf_of(const ForestModel& model, std::int64_t node, const float* sample) {
  for (auto i = static_cast<std::size_t>(node); model.left[i] != node; i = static_cast<std::size_t>(node)) {
    node = sample[model.feature[i]] <= model.threshold[i] ? model.left[i] : model.right[i];
  }
  return node;
}

}  // namespace

ForestModel train_forest(const FeatureRows& rows, const ForestOptions& options) {
  check(options);
  validate(rows);
  std::vector<ForestShape> shapes;
  for (const int depth : options.depth_grid) {
    for (const double share : options.feature_share_grid) shapes.push_back({depth, share});
  }
  const auto fit_one = [&](std::size_t i, const FeatureRows& train, const cv::Mat& held_out) {
    return forest_probabilities(fit(train, shapes[i], std::min(options.trees, options.search_trees), options),
                                held_out);
  };
  const SearchResult best = search_grid(rows, shapes.size(), search_of(options), fit_one);
  ForestModel model = fit(rows, shapes[best.candidate], options.trees, options);
  model.feature_share = shapes[best.candidate].feature_share;
  model.validation_auc = best.auc;
  return model;
}

cv::Mat forest_probabilities(const ForestModel& model, const cv::Mat& features) {
  cv::Mat votes(features.rows, model.classes, CV_64F, cv::Scalar(0.5));
  for (int i = 0; i < features.rows; ++i) {
    const auto* sample = features.ptr<float>(i);
    for (const std::int64_t root : model.roots) {
      const auto leaf = static_cast<std::size_t>(leaf_of(model, root, sample));
      votes.at<double>(i, static_cast<int>(model.vote[leaf])) += 1.0;
    }
  }
  return votes / (static_cast<double>(model.roots.size()) + model.classes / 2.0);
}

}  // namespace pulmo
