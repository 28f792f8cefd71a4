#include "training/evaluation/curves.h"

#include <algorithm>
#include <utility>

#include "training/evaluation/metrics.h"

namespace pulmo::training {

std::vector<Point> precision_recall_curve(const std::vector<Prediction>& predictions, int positive) {
  std::vector<std::pair<double, bool>> scored;
  double all = 0.0;
  for (const Prediction& one : predictions) {
    scored.emplace_back(one.probabilities[static_cast<std::size_t>(positive)], one.label == positive);
    all += one.label == positive ? 1.0 : 0.0;
  }
  if (all == 0.0) return {};
  std::sort(scored.begin(), scored.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<Point> curve;
  double hits = 0.0, recall = 0.0;
  for (std::size_t i = 0; i < scored.size(); ++i) {
    hits += scored[i].second ? 1.0 : 0.0;
    if (i + 1 < scored.size() && scored[i + 1].first == scored[i].first) continue;
    const double precision = hits / static_cast<double>(i + 1);
    curve.push_back({recall, precision});
    recall = hits / all;
    curve.push_back({recall, precision});
  }
  return curve;
}

std::vector<ReliabilityBin> reliability_bins(const std::vector<Prediction>& predictions, int positive) {
  std::vector<ReliabilityBin> sums(kCalibrationBins);
  for (const Prediction& one : predictions) {
    const double p = one.probabilities[static_cast<std::size_t>(positive)];
    ReliabilityBin& bin =
        sums[static_cast<std::size_t>(std::min(static_cast<int>(p * kCalibrationBins), kCalibrationBins - 1))];
    bin.mean_probability += p;
    bin.positive_share += one.label == positive ? 1.0 : 0.0;
    bin.share += 1.0;
  }
  std::vector<ReliabilityBin> bins;
  for (const ReliabilityBin& sum : sums) {
    if (sum.share == 0.0) continue;
    bins.push_back({sum.mean_probability / sum.share, sum.positive_share / sum.share,
                    sum.share / static_cast<double>(predictions.size())});
  }
  return bins;
}

}  // namespace pulmo::training
