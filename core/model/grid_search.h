#pragma once

#include <cstdint>
#include <functional>
#include <opencv2/core/mat.hpp>
#include <vector>

#include "core/model/feature_rows.h"

namespace pulmo {

struct SearchOptions {
  int folds = 5;              ///< patient-grouped, stratified
  std::uint64_t seed = 0;     ///< of the folds
  int search_samples = 2000;  ///< whole patients up to this many samples are looked at
  int threads = 1;
};

struct SearchResult {
  std::size_t candidate = 0;
  double auc = 0.0;  ///< mean over the folds, and over the columns of the scores
};

/// Trains on the first and scores the second: (n,1) CV_64F for class 1, or (n,K) for each class.
using FoldFit = std::function<cv::Mat(const FeatureRows& train, const cv::Mat& held_out)>;
using CandidateFit = std::function<cv::Mat(std::size_t candidate, const FeatureRows& train, const cv::Mat& held_out)>;

/// Throws InvalidInput("configuration") naming `row` for fewer than two folds, no sample or no thread.
void validate(const SearchOptions& options, const char* row);

/// Scores of every sample by a model that did not see its fold.
cv::Mat out_of_fold(const FeatureRows& rows, const std::vector<int>& fold_of, const FoldFit& fit);

/// The candidate (0 .. candidates - 1) with the highest mean ROC-AUC over the folds; the first of equals.
SearchResult search_grid(const FeatureRows& rows, std::size_t candidates, const SearchOptions& options,
                         const CandidateFit& fit);

/// Which samples have the label.
std::vector<bool> members_of(const std::vector<int>& labels, int label);

/// Runs work(0) .. work(count - 1) on some threads; the first exception comes out once all have ended.
void run_parallel(std::size_t count, int threads, const std::function<void(std::size_t)>& work);

}  // namespace pulmo
