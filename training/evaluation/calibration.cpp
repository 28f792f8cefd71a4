#include "training/evaluation/calibration.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace pulmo::training {
namespace {

constexpr double kSmallest = 1e-300;  // log stays finite for a probability that underflowed

void sharpen(std::vector<double>& probabilities, double inverse_temperature) {
  double largest = -INFINITY;
  for (double& p : probabilities) {
    p = inverse_temperature * std::log(std::max(p, kSmallest));
    largest = std::max(largest, p);
  }
  double sum = 0.0;
  for (double& p : probabilities) sum += p = std::exp(p - largest);
  for (double& p : probabilities) p /= sum;
}

double loss_at(const std::vector<Prediction>& predictions, double inverse_temperature) {
  double sum = 0.0;
  std::vector<double> scaled;
  for (const Prediction& one : predictions) {
    scaled = one.probabilities;
    sharpen(scaled, inverse_temperature);
    sum -= std::log(std::max(scaled[static_cast<std::size_t>(one.label)], kSmallest));
  }
  return sum;
}

}  // namespace

std::vector<Prediction> apply_temperature(std::vector<Prediction> predictions, double temperature) {
  for (Prediction& one : predictions) sharpen(one.probabilities, 1.0 / temperature);
  return predictions;
}

// The loss is convex in 1/T, so a golden-section search finds its only minimum.
double fit_temperature(const std::vector<Prediction>& predictions) {
  if (predictions.empty()) return 1.0;
  const double golden = 0.5 * (std::sqrt(5.0) - 1.0);
  double low = 1.0 / 20.0, high = 20.0;
  double left = high - golden * (high - low), right = low + golden * (high - low);
  double left_loss = loss_at(predictions, left), right_loss = loss_at(predictions, right);
  while (high - low > 1e-6) {
    if (left_loss <= right_loss) {
      high = std::exchange(right, left);
      right_loss = left_loss;
      left = high - golden * (high - low);
      left_loss = loss_at(predictions, left);
    } else {
      low = std::exchange(left, right);
      left_loss = right_loss;
      right = low + golden * (high - low);
      right_loss = loss_at(predictions, right);
    }
  }
  return 2.0 / (low + high);
}

double youden_threshold(const std::vector<Prediction>& predictions, int positive) {
  std::vector<std::pair<double, bool>> rows;
  double positives = 0.0;
  for (const Prediction& one : predictions) {
    rows.emplace_back(one.probabilities[static_cast<std::size_t>(positive)], one.label == positive);
    positives += one.label == positive ? 1.0 : 0.0;
  }
  const double negatives = static_cast<double>(rows.size()) - positives;
  if (positives == 0.0 || negatives == 0.0) return 0.5;
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  double best = 0.0, threshold = 0.5, hits = 0.0, alarms = 0.0;
  for (std::size_t i = 0; i + 1 < rows.size(); ++i) {
    (rows[i].second ? hits : alarms) += 1.0;
    if (rows[i + 1].first == rows[i].first) continue;
    const double youden = hits / positives - alarms / negatives;
    const double here = 0.5 * (rows[i].first + rows[i + 1].first);
    const bool nearer = std::abs(here - 0.5) < std::abs(threshold - 0.5);
    if (youden > best + 1e-12 || (best > 0.0 && youden > best - 1e-12 && nearer)) {
      best = std::max(best, youden);
      threshold = here;
    }
  }
  return threshold;
}

double mean_negative_log_likelihood(const std::vector<Prediction>& predictions) {
  return predictions.empty() ? 0.0 : loss_at(predictions, 1.0) / static_cast<double>(predictions.size());
}

}  // namespace pulmo::training
