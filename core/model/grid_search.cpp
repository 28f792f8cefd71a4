#include "core/model/grid_search.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <opencv2/core.hpp>
#include <string>

#include "core/support/error.h"
#include "core/support/seed.h"

namespace pulmo {
namespace {

int fold_count(const std::vector<int>& fold_of) {
  return 1 + *std::max_element(fold_of.begin(), fold_of.end());
}

/// Mean over the folds, since scores of different models are not compared with each other.
double mean_fold_auc(const cv::Mat& scores, const std::vector<bool>& positive, const std::vector<int>& fold_of) {
  const int folds = fold_count(fold_of);
  double sum = 0.0;
  for (int fold = 0; fold < folds; ++fold) {
    std::vector<double> own;
    std::vector<bool> own_positive;
    for (const std::size_t i : fold_indices(fold_of, fold, true)) {
      own.push_back(scores.at<double>(static_cast<int>(i)));
      own_positive.push_back(positive[i]);
    }
    sum += roc_auc(own, own_positive) / folds;
  }
  return sum;
}

double score_of(const cv::Mat& scores, const FeatureRows& rows, const std::vector<int>& fold_of) {
  if (scores.cols == 1) return mean_fold_auc(scores, members_of(rows.labels, 1), fold_of);
  double sum = 0.0;
  for (int k = 0; k < scores.cols; ++k) {
    sum += mean_fold_auc(scores.col(k).clone(), members_of(rows.labels, k), fold_of) / scores.cols;
  }
  return sum;
}

/// Whole patients, in seeded order, up to the number of samples; all of them when a class would be left with one.
FeatureRows search_part(const FeatureRows& rows, const SearchOptions& options) {
  if (rows.features.rows <= options.search_samples) return rows;
  const int parts = (rows.features.rows + options.search_samples - 1) / options.search_samples;
  const std::vector<int> part_of = grouped_folds(rows, parts, derive_seed(options.seed, "grid_search"));
  FeatureRows part = select(rows, fold_indices(part_of, 0, true));
  try {
    validate(part);
  } catch (const InvalidInput&) {
    return rows;
  }
  return part;
}

}  // namespace

void validate(const SearchOptions& options, const char* row) {
  const auto refuse = [&](const std::string& why) {
    throw InvalidInput("configuration", std::string(row) + ": " + why);
  };
  if (options.folds < 2) refuse("folds is " + std::to_string(options.folds) + ", must be at least 2");
  if (options.search_samples < 1) refuse("search_samples must be positive");
  if (options.threads < 1) refuse("threads must be positive");
}

cv::Mat out_of_fold(const FeatureRows& rows, const std::vector<int>& fold_of, const FoldFit& fit) {
  cv::Mat result;
  const int folds = fold_count(fold_of);
  for (int fold = 0; fold < folds; ++fold) {
    const FeatureRows train = select(rows, fold_indices(fold_of, fold, false));
    const std::vector<std::size_t> held_out = fold_indices(fold_of, fold, true);
    const cv::Mat scores = fit(train, select(rows, held_out).features);
    if (result.empty()) result = cv::Mat::zeros(rows.features.rows, scores.cols, CV_64F);
    for (std::size_t i = 0; i < held_out.size(); ++i) {
      scores.row(static_cast<int>(i)).copyTo(result.row(static_cast<int>(held_out[i])));
    }
  }
  return result;
}

SearchResult search_grid(const FeatureRows& rows, std::size_t candidates, const SearchOptions& options,
                         const CandidateFit& fit) {
  const FeatureRows part = search_part(rows, options);
  const std::vector<int> fold_of = grouped_folds(part, options.folds, options.seed);
  std::vector<double> scores(candidates, 0.0);
  run_parallel(candidates, options.threads, [&](std::size_t i) {
    const auto fit_one = [&](const FeatureRows& train, const cv::Mat& held_out) { return fit(i, train, held_out); };
    scores[i] = score_of(out_of_fold(part, fold_of, fit_one), part, fold_of);
  });
  const auto best = std::max_element(scores.begin(), scores.end());
  return {static_cast<std::size_t>(best - scores.begin()), *best};
}

std::vector<bool> members_of(const std::vector<int>& labels, int label) {
  std::vector<bool> result(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) result[i] = labels[i] == label;
  return result;
}

void run_parallel(std::size_t count, int threads, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::vector<std::future<void>> workers;
  workers.reserve(static_cast<std::size_t>(threads));
  for (int t = 0; t < threads; ++t) {
    workers.push_back(std::async(std::launch::async, [&] {
      for (std::size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) work(i);
    }));
  }
  for (std::future<void>& worker : workers) worker.wait();
  for (std::future<void>& worker : workers) worker.get();
}

}  // namespace pulmo
