#include "core/model/feature_rows.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <opencv2/core.hpp>
#include <set>

#include "core/support/error.h"
#include "core/support/seed.h"

namespace pulmo {
namespace {

[[noreturn]] void refuse(const std::string& why) {
  throw InvalidInput("training_data", "classical model: " + why);
}

using ClassCounts = std::vector<double>;

std::map<std::string, ClassCounts> count_by_patient(const FeatureRows& rows) {
  std::map<std::string, ClassCounts> counts;
  for (std::size_t i = 0; i < rows.labels.size(); ++i) {
    ClassCounts& own = counts[rows.patients[i]];
    own.resize(static_cast<std::size_t>(rows.classes));
    own[static_cast<std::size_t>(rows.labels[i])] += 1.0;
  }
  return counts;
}

/// For each class the number of patients who have it.
std::vector<int> patients_by_class(const std::map<std::string, ClassCounts>& counts, int classes) {
  std::vector<int> result(static_cast<std::size_t>(classes), 0);
  for (const auto& [patient, own] : counts) {
    for (std::size_t k = 0; k < own.size(); ++k) result[k] += own[k] > 0.0 ? 1 : 0;
  }
  return result;
}

/// How uneven the fold becomes: the sum over classes of the squared share of the class it then holds, less what it was.
double growth(const ClassCounts& fold, const ClassCounts& patient, const ClassCounts& total) {
  double sum = 0.0;
  for (std::size_t k = 0; k < total.size(); ++k) {
    const double before = fold[k] / total[k];
    const double after = (fold[k] + patient[k]) / total[k];
    sum += after * after - before * before;
  }
  return sum;
}

}  // namespace

void validate(const FeatureRows& rows) {
  const auto samples = static_cast<std::size_t>(rows.features.rows);
  if (rows.features.empty() || rows.features.type() != CV_32FC1) refuse("there are no features to learn from");
  if (rows.labels.size() != samples || rows.patients.size() != samples) {
    refuse(std::to_string(samples) + " rows of features, " + std::to_string(rows.labels.size()) + " labels, " +
           std::to_string(rows.patients.size()) + " patients: they must be as many");
  }
  if (rows.classes < 2) refuse(std::to_string(rows.classes) + " classes, at least 2 are needed");
  for (const int label : rows.labels) {
    if (label < 0 || label >= rows.classes) {
      refuse("label " + std::to_string(label) + " with " + std::to_string(rows.classes) + " classes");
    }
  }
  if (!cv::checkRange(rows.features)) refuse("a feature is not a finite number");
  const std::vector<int> patients = patients_by_class(count_by_patient(rows), rows.classes);
  for (std::size_t k = 0; k < patients.size(); ++k) {
    if (patients[k] < 2) {
      refuse("class " + std::to_string(k) + " comes from " + std::to_string(patients[k]) +
             " patient(s), at least 2 are needed to validate on others");
    }
  }
}

FeatureRows select(const FeatureRows& rows, const std::vector<std::size_t>& indices) {
  FeatureRows chosen{cv::Mat(static_cast<int>(indices.size()), rows.features.cols, CV_32F), {}, {}, rows.classes};
  for (std::size_t i = 0; i < indices.size(); ++i) {
    rows.features.row(static_cast<int>(indices[i])).copyTo(chosen.features.row(static_cast<int>(i)));
    chosen.labels.push_back(rows.labels[indices[i]]);
    chosen.patients.push_back(rows.patients[indices[i]]);
  }
  return chosen;
}

std::vector<int> grouped_folds(const FeatureRows& rows, int folds, std::uint64_t seed) {
  const auto counts = count_by_patient(rows);
  const std::vector<int> by_class = patients_by_class(counts, rows.classes);
  folds = std::max(2, std::min(folds, *std::min_element(by_class.begin(), by_class.end())));
  std::vector<std::pair<std::string, ClassCounts>> patients(counts.begin(), counts.end());
  Random random(derive_seed(seed, "grouped_folds"));
  random.shuffle(patients);
  const auto samples = [](const auto& patient) {
    return std::accumulate(patient.second.begin(), patient.second.end(), 0.0);
  };
  std::stable_sort(patients.begin(), patients.end(),  // the big ones first: the small ones then even out
                   [&](const auto& a, const auto& b) { return samples(a) > samples(b); });
  ClassCounts total(static_cast<std::size_t>(rows.classes), 0.0);
  for (const int label : rows.labels) total[static_cast<std::size_t>(label)] += 1.0;
  std::vector<ClassCounts> held(static_cast<std::size_t>(folds), ClassCounts(total.size(), 0.0));
  std::map<std::string, int> fold_of_patient;
  for (const auto& [patient, own] : patients) {
    std::size_t best = 0;
    for (std::size_t f = 1; f < held.size(); ++f) {
      if (growth(held[f], own, total) < growth(held[best], own, total)) best = f;
    }
    for (std::size_t k = 0; k < total.size(); ++k) held[best][k] += own[k];
    fold_of_patient[patient] = static_cast<int>(best);
  }
  std::vector<int> result;
  for (const std::string& patient : rows.patients) result.push_back(fold_of_patient.at(patient));
  return result;
}

std::vector<std::size_t> fold_indices(const std::vector<int>& fold_of, int fold, bool inside) {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < fold_of.size(); ++i) {
    if ((fold_of[i] == fold) == inside) indices.push_back(i);
  }
  return indices;
}

double roc_auc(const std::vector<double>& scores, const std::vector<bool>& positive) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });
  double below = 0.0;  // negatives with a lower score than the current tie
  double positives = 0.0;
  double wins = 0.0;
  for (std::size_t start = 0; start < order.size();) {
    std::size_t end = start;
    double tied_positive = 0.0;
    do {
      tied_positive += positive[order[end]] ? 1.0 : 0.0;
    } while (++end < order.size() && scores[order[end]] == scores[order[start]]);
    const double tied_negative = static_cast<double>(end - start) - tied_positive;
    wins += tied_positive * (below + tied_negative / 2.0);
    positives += tied_positive;
    below += tied_negative;
    start = end;
  }
  return positives > 0.0 && below > 0.0 ? wins / (positives * below) : 0.5;
}

}  // namespace pulmo
