#include "core/model/svm.h"

#include <algorithm>
#include <numeric>
#include <opencv2/core.hpp>
#include <string>

#include "core/model/grid_search.h"
#include "core/model/svm_machine.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

SearchOptions search_of(const SvmOptions& options) {
  return {options.folds, options.seed, options.search_samples, options.threads};
}

void check(const SvmOptions& options) {
  for (const auto& [name, grid] : {std::pair{"c_grid", options.c_grid}, std::pair{"gamma_grid", options.gamma_grid}}) {
    const bool bad = std::any_of(grid.begin(), grid.end(), [](double x) { return !(x > 0.0 && x <= 1e12); });
    if (grid.empty() || bad)
      throw InvalidInput("configuration", std::string("svm: ") + name + " must hold positive numbers");
  }
  validate(search_of(options), "svm");
}

/// Labels that have a machine of their own.
std::vector<int> machine_labels(int classes) {
  if (classes == 2) return {1};
  std::vector<int> labels(static_cast<std::size_t>(classes));
  std::iota(labels.begin(), labels.end(), 0);
  return labels;
}

/// Decision values of the held-out rows, a column a machine. A rare class that is all in the held-out fold leaves
/// nothing to learn it from: no opinion, 0.
cv::Mat fold_decisions(const FeatureRows& train, const cv::Mat& held_out, const SvmPair& pair) {
  const std::vector<int> labels = machine_labels(train.classes);
  cv::Mat result = cv::Mat::zeros(held_out.rows, static_cast<int>(labels.size()), CV_64F);
  for (int column = 0; column < result.cols; ++column) {
    const std::vector<bool> positive = members_of(train.labels, labels[static_cast<std::size_t>(column)]);
    const auto positives = std::count(positive.begin(), positive.end(), true);
    if (positives == 0 || positives == train.features.rows) continue;
    const SvmMachine machine = fit_machine(train.features, positive, pair);
    cv::Mat(decide(machine, held_out, pair.gamma)).copyTo(result.col(column));
  }
  return result;
}

SvmPair choose_pair(SvmModel& model, const FeatureRows& rows, const SvmOptions& options) {
  std::vector<SvmPair> pairs;
  for (const double c : options.c_grid) {
    for (const double gamma : options.gamma_grid) pairs.push_back({c, gamma / rows.features.cols});
  }
  const auto fit = [&](std::size_t i, const FeatureRows& train, const cv::Mat& held_out) {
    return fold_decisions(train, held_out, pairs[i]);
  };
  const SearchResult best = search_grid(rows, pairs.size(), search_of(options), fit);
  model.c = pairs[best.candidate].c;
  model.gamma = pairs[best.candidate].gamma;
  model.validation_auc = best.auc;
  return pairs[best.candidate];
}

/// Platt scaling of each machine, from decision values of machines that did not see the sample.
void calibrate(SvmModel& model, const FeatureRows& rows, const SvmPair& pair, const SvmOptions& options) {
  const std::vector<int> labels = machine_labels(rows.classes);
  const std::vector<int> fold_of = grouped_folds(rows, options.folds, options.seed);
  const cv::Mat decisions = out_of_fold(rows, fold_of, [&](const FeatureRows& train, const cv::Mat& held_out) {
    return fold_decisions(train, held_out, pair);
  });
  for (std::size_t k = 0; k < labels.size(); ++k) {
    const cv::Mat column = decisions.col(static_cast<int>(k)).clone();
    const std::vector<double> values(column.begin<double>(), column.end<double>());
    model.machines[k].platt = fit_platt(values, members_of(rows.labels, labels[k]));
  }
}

}  // namespace

SvmModel train_svm(const FeatureRows& rows, const SvmOptions& options) {
  check(options);
  validate(rows);
  SvmModel model;
  model.classes = rows.classes;
  fit_standardisation(model, rows.features);
  FeatureRows standardised = rows;
  standardised.features = standardise(model, rows.features);
  const SvmPair pair = choose_pair(model, standardised, options);
  for (const int label : machine_labels(rows.classes)) {
    model.machines.push_back(fit_machine(standardised.features, members_of(rows.labels, label), pair));
  }
  calibrate(model, standardised, pair, options);
  return model;
}

}  // namespace pulmo
