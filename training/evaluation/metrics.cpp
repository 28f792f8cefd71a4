#include "training/evaluation/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pulmo::training {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

double ratio(double part, double whole) {
  return whole > 0.0 ? part / whole : kUndefined;
}

double weight_of(std::span<const double> weights, std::size_t index) {
  return weights.empty() ? 1.0 : weights[index];
}

void set(Metrics& metrics, Metric metric, double value) {
  metrics.values[static_cast<std::size_t>(metric)] = value;
}

// Precision, recall, specificity and F1 of one class against the rest.
void add_rates(Metrics& metrics, int positive) {
  double hits = 0.0, total = 0.0, decided = 0.0, actual = 0.0;
  const auto p = static_cast<std::size_t>(positive);
  const std::size_t classes = metrics.confusion.size();
  for (std::size_t truth = 0; truth < classes; ++truth) {
    hits += metrics.confusion[truth][truth];
    decided += metrics.confusion[truth][p];
    actual += metrics.confusion[p][truth];
    for (std::size_t decision = 0; decision < classes; ++decision) total += metrics.confusion[truth][decision];
  }
  const double true_positives = metrics.confusion[p][p];
  const double negatives = total - actual;
  set(metrics, Metric::kAccuracy, ratio(hits, total));
  set(metrics, Metric::kPrecision, ratio(true_positives, decided));
  set(metrics, Metric::kRecall, ratio(true_positives, actual));
  set(metrics, Metric::kSpecificity, ratio(negatives - (decided - true_positives), negatives));
  set(metrics, Metric::kF1, ratio(2.0 * true_positives, decided + actual));
}

}  // namespace

int decide(std::span<const double> probabilities, int positive, double threshold) {
  const auto p = static_cast<std::size_t>(positive);
  if (probabilities[p] >= threshold) return positive;
  std::size_t best = p == 0 ? 1 : 0;
  for (std::size_t k = 0; k < probabilities.size(); ++k) {
    if (k != p && probabilities[k] > probabilities[best]) best = k;
  }
  return static_cast<int>(best);
}

ScoredSet::ScoredSet(const std::vector<Prediction>& predictions, const ClassList& classes,
                     const std::vector<double>& thresholds)
    : classes_(classes.size()), positive_(classes.positive) {
  rows_.reserve(predictions.size());
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    const Prediction& one = predictions[i];
    const double score = one.probabilities[static_cast<std::size_t>(positive_)];
    rows_.push_back(
        {score, one.label == positive_, one.label, decide(one.probabilities, positive_, thresholds[one.fold]), i});
  }
  std::stable_sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) { return a.score > b.score; });
}

Metrics ScoredSet::evaluate(std::span<const double> weights) const {
  Metrics metrics;
  const auto classes = static_cast<std::size_t>(classes_);
  metrics.confusion.assign(classes, std::vector<double>(classes, 0.0));
  for (const Row& row : rows_) {
    metrics.confusion[static_cast<std::size_t>(row.label)][static_cast<std::size_t>(row.decision)] +=
        weight_of(weights, row.index);
  }
  add_rates(metrics, positive_);
  const Ranking ranking = rank(weights);
  set(metrics, Metric::kRocAuc, ranking.roc_auc);
  set(metrics, Metric::kPrAuc, ranking.pr_auc);
  set(metrics, Metric::kSpecificityAt90, specificity_at_equal_recall(weights));
  calibrate(weights, metrics);
  return metrics;
}

double ScoredSet::roc_auc(std::span<const double> weights) const {
  return rank(weights).roc_auc;
}

double ScoredSet::specificity_at_equal_recall(std::span<const double> weights) const {
  double positives = 0.0, negatives = 0.0;
  for (const Row& row : rows_) (row.positive ? positives : negatives) += weight_of(weights, row.index);
  if (positives <= 0.0 || negatives <= 0.0) return kUndefined;
  double found = 0.0, mistaken = 0.0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    (rows_[i].positive ? found : mistaken) += weight_of(weights, rows_[i].index);
    const bool tied = i + 1 < rows_.size() && rows_[i + 1].score == rows_[i].score;
    if (!tied && found >= (kEqualRecall - 1e-9) * positives) break;  // 0.9 itself is rounded
  }
  return 1.0 - mistaken / negatives;
}

// Area under the ROC curve = share of (positive, negative) pairs in the right order, ties counting half (Mann-Whitney).
// Area under the precision-recall curve = average precision, sum over distinct scores of (R_k - R_{k-1}) * P_k.
ScoredSet::Ranking ScoredSet::rank(std::span<const double> weights) const {
  double positives = 0.0, negatives = 0.0, ordered = 0.0, precision_sum = 0.0;
  for (std::size_t first = 0; first < rows_.size();) {
    double tied_positives = 0.0, tied_negatives = 0.0;
    std::size_t next = first;
    do {
      (rows_[next].positive ? tied_positives : tied_negatives) += weight_of(weights, rows_[next].index);
    } while (++next < rows_.size() && rows_[next].score == rows_[first].score);
    ordered += tied_negatives * (positives + 0.5 * tied_positives);
    positives += tied_positives;
    negatives += tied_negatives;
    if (tied_positives > 0.0) precision_sum += tied_positives * positives / (positives + negatives);
    first = next;
  }
  if (positives <= 0.0 || negatives <= 0.0) return {kUndefined, kUndefined};
  return {ordered / (positives * negatives), precision_sum / positives};
}

// Brier score (Brier 1950) and expected calibration error (Naeini, Cooper, Hauskrecht 2015), both of p(positive).
void ScoredSet::calibrate(std::span<const double> weights, Metrics& metrics) const {
  struct Bin {
    double weight = 0.0, score = 0.0, positives = 0.0;
  };
  std::array<Bin, kCalibrationBins> bins{};
  double total = 0.0, squares = 0.0;
  for (const Row& row : rows_) {
    const double weight = weight_of(weights, row.index);
    const double truth = row.positive ? 1.0 : 0.0;
    total += weight;
    squares += weight * (row.score - truth) * (row.score - truth);
    const double place = std::clamp(std::floor(row.score * kCalibrationBins), 0.0, kCalibrationBins - 1.0);
    Bin& bin = bins[static_cast<std::size_t>(place)];
    bin.weight += weight;
    bin.score += weight * row.score;
    bin.positives += weight * truth;
  }
  double gap = 0.0;
  for (const Bin& bin : bins) gap += std::abs(bin.positives - bin.score);
  set(metrics, Metric::kBrier, ratio(squares, total));
  set(metrics, Metric::kEce, ratio(gap, total));
}

std::vector<RocPoint> roc_curve(const std::vector<Prediction>& predictions, int positive) {
  std::vector<std::pair<double, bool>> rows;
  double positives = 0.0;
  for (const Prediction& one : predictions) {
    rows.emplace_back(one.probabilities[static_cast<std::size_t>(positive)], one.label == positive);
    positives += one.label == positive ? 1.0 : 0.0;
  }
  const double negatives = static_cast<double>(rows.size()) - positives;
  if (positives == 0.0 || negatives == 0.0) return {};
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<RocPoint> curve = {{0.0, 0.0}};
  double hits = 0.0, alarms = 0.0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    (rows[i].second ? hits : alarms) += 1.0;
    const bool last_of_tie = i + 1 == rows.size() || rows[i + 1].first != rows[i].first;
    if (last_of_tie) curve.push_back({alarms / negatives, hits / positives});
  }
  return curve;
}

}  // namespace pulmo::training
