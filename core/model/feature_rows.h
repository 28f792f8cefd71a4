#pragma once

#include <opencv2/core/mat.hpp>
#include <string>
#include <vector>

namespace pulmo {

/// What a classical row learns from: N samples of F features.
struct FeatureRows {
  cv::Mat features;                   ///< (N,F) CV_32FC1, extract_features() of each sample
  std::vector<int> labels;            ///< N, in 0 .. classes - 1
  std::vector<std::string> patients;  ///< N; samples of one patient are never on both sides of a fold
  int classes = 2;                    ///< K
};

/// Throws InvalidInput("training_data") when the sizes disagree, a value is not finite, a label is out of range, or
/// fewer than two patients have some class (nothing could be validated).
void validate(const FeatureRows& rows);

/// The samples at these indices.
FeatureRows select(const FeatureRows& rows, const std::vector<std::size_t>& indices);

/// The fold (0 .. folds - 1) of each sample: whole patients, each fold with about the same share of each class. The
/// number of folds is lowered to the number of patients of the rarest class. A pure function of its arguments.
std::vector<int> grouped_folds(const FeatureRows& rows, int folds, std::uint64_t seed);

/// Indices of the samples in (or not in) the fold.
std::vector<std::size_t> fold_indices(const std::vector<int>& fold_of, int fold, bool inside);

/// Area under the ROC curve, ties counting one half (Mann-Whitney). `positive` tells which scores should be high; 0.5
/// when all or none are.
double roc_auc(const std::vector<double>& scores, const std::vector<bool>& positive);

}  // namespace pulmo
