#include "core/model/svm.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <numeric>
#include <opencv2/core.hpp>

#include "core/model/svm_machine.h"
#include "core/support/error.h"
#include "core/support/seed.h"

namespace pulmo {
namespace {

void check(const SvmOptions& options) {
  const auto bad = [](const std::vector<double>& grid) {
    return grid.empty() || std::any_of(grid.begin(), grid.end(), [](double x) { return !(x > 0.0) || x > 1e12; });
  };
  const auto refuse = [](const std::string& why) { throw InvalidInput("configuration", "svm: " + why); };
  if (bad(options.c_grid)) refuse("c_grid must hold positive numbers");
  if (bad(options.gamma_grid)) refuse("gamma_grid must hold positive numbers");
  if (options.folds < 2) refuse("folds is " + std::to_string(options.folds) + ", must be at least 2");
  if (options.search_samples < 1) refuse("search_samples must be positive");
  if (options.threads < 1) refuse("threads must be positive");
}

std::vector<bool> members_of(const std::vector<int>& labels, int label) {
  std::vector<bool> result;
  for (const int own : labels) result.push_back(own == label);
  return result;
}

/// Runs work(0) .. work(count - 1) on some threads; the first exception comes out once all have ended.
template <typename Work>
void run_parallel(std::size_t count, int threads, const Work& work) {
  std::atomic<std::size_t> next{0};
  std::vector<std::future<void>> workers;
  for (int t = 0; t < threads; ++t) {
    workers.push_back(std::async(std::launch::async, [&] {
      for (std::size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) work(i);
    }));
  }
  for (std::future<void>& worker : workers) worker.wait();
  for (std::future<void>& worker : workers) worker.get();
}

/// Decision values of every sample by the machine trained without its fold.
std::vector<double> out_of_fold(const FeatureRows& rows, const std::vector<int>& fold_of, int label,
                                const SvmPair& pair) {
  const std::vector<bool> positive = members_of(rows.labels, label);
  std::vector<double> result(rows.labels.size(), 0.0);
  const int folds = 1 + *std::max_element(fold_of.begin(), fold_of.end());
  for (int fold = 0; fold < folds; ++fold) {
    const FeatureRows train = select(rows, fold_indices(fold_of, fold, false));
    const std::vector<bool> is_positive = members_of(train.labels, label);
    const auto positives = std::count(is_positive.begin(), is_positive.end(), true);
    if (positives == 0 || positives == train.features.rows) continue;  // a rare class all in one fold: no opinion, 0
    const std::vector<std::size_t> held_out = fold_indices(fold_of, fold, true);
    const SvmMachine machine = fit_machine(train.features, is_positive, pair);
    const std::vector<double> values = decide(machine, select(rows, held_out).features, pair.gamma);
    for (std::size_t i = 0; i < held_out.size(); ++i) result[held_out[i]] = values[i];
  }
  return result;
}

/// Mean over the folds: values of different machines are not compared with each other.
double mean_fold_auc(const std::vector<double>& values, const std::vector<bool>& positive,
                     const std::vector<int>& fold_of) {
  const int folds = 1 + *std::max_element(fold_of.begin(), fold_of.end());
  double sum = 0.0;
  for (int fold = 0; fold < folds; ++fold) {
    std::vector<double> own;
    std::vector<bool> own_positive;
    for (const std::size_t i : fold_indices(fold_of, fold, true)) {
      own.push_back(values[i]);
      own_positive.push_back(positive[i]);
    }
    sum += roc_auc(own, own_positive) / folds;
  }
  return sum;
}

/// Labels that have a machine of their own.
std::vector<int> machine_labels(int classes) {
  if (classes == 2) return {1};
  std::vector<int> labels(static_cast<std::size_t>(classes));
  std::iota(labels.begin(), labels.end(), 0);
  return labels;
}

/// Whole patients, in seeded order, until there are enough samples; every class keeps at least two patients.
FeatureRows search_part(const FeatureRows& rows, const SvmOptions& options) {
  if (rows.features.rows <= options.search_samples) return rows;
  const int parts = (rows.features.rows + options.search_samples - 1) / options.search_samples;
  const std::vector<int> part_of = grouped_folds(rows, parts, derive_seed(options.seed, "svm_search"));
  FeatureRows part = select(rows, fold_indices(part_of, 0, true));
  try {
    validate(part);
  } catch (const InvalidInput&) {
    return rows;  // too few patients to leave some out
  }
  return part;
}

void choose_pair(SvmModel& model, const FeatureRows& rows, const SvmOptions& options) {
  const FeatureRows part = search_part(rows, options);
  const std::vector<int> fold_of = grouped_folds(part, options.folds, options.seed);
  std::vector<SvmPair> pairs;
  for (const double c : options.c_grid) {
    for (const double gamma : options.gamma_grid) pairs.push_back({c, gamma / part.features.cols});
  }
  std::vector<double> scores(pairs.size(), 0.0);
  run_parallel(pairs.size(), options.threads, [&](std::size_t i) {
    const std::vector<int> labels = machine_labels(part.classes);
    for (const int label : labels) {
      const std::vector<double> values = out_of_fold(part, fold_of, label, pairs[i]);
      scores[i] += mean_fold_auc(values, members_of(part.labels, label), fold_of) / static_cast<double>(labels.size());
    }
  });
  const auto best = std::max_element(scores.begin(), scores.end());
  const SvmPair& pair = pairs[static_cast<std::size_t>(best - scores.begin())];
  model.c = pair.c;
  model.gamma = pair.gamma;
  model.validation_auc = *best;
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
  choose_pair(model, standardised, options);
  const SvmPair pair{model.c, model.gamma};
  const std::vector<int> labels = machine_labels(rows.classes);
  const std::vector<int> fold_of = grouped_folds(standardised, options.folds, options.seed);
  model.machines.resize(labels.size());
  run_parallel(labels.size(), std::min(options.threads, static_cast<int>(labels.size())), [&](std::size_t k) {
    const std::vector<bool> positive = members_of(rows.labels, labels[k]);
    SvmMachine machine = fit_machine(standardised.features, positive, pair);
    machine.platt = fit_platt(out_of_fold(standardised, fold_of, labels[k], pair), positive);
    model.machines[k] = std::move(machine);
  });
  return model;
}

}  // namespace pulmo
