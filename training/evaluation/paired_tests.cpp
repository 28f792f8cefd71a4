#include "training/evaluation/paired_tests.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace pulmo::training {
namespace {

// P(X <= k) of a binomial(n, 1/2), summed in logarithms so that a large n does not underflow.
double binomial_half_cdf(std::int64_t k, std::int64_t n) {
  double sum = 0.0;
  const double size = static_cast<double>(n);
  for (std::int64_t i = 0; i <= k; ++i) {
    const double at = static_cast<double>(i);
    sum +=
        std::exp(std::lgamma(size + 1.0) - std::lgamma(at + 1.0) - std::lgamma(size - at + 1.0) - size * std::log(2.0));
  }
  return sum;
}

// Ranks from 1, ties sharing their mean rank.
std::vector<double> mid_ranks(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t first = 0; first < order.size();) {
    std::size_t next = first + 1;
    while (next < order.size() && values[order[next]] == values[order[first]]) ++next;
    const double shared = 0.5 * static_cast<double>(first + next - 1) + 1.0;
    for (std::size_t i = first; i < next; ++i) ranks[order[i]] = shared;
    first = next;
  }
  return ranks;
}

// Structural components: for each positive the share of negatives below it, for each negative that of positives above.
struct Components {
  std::vector<double> positives;
  std::vector<double> negatives;
  double auc = 0.0;
};

// By ranks in O(n log n) (Sun, Xu 2014): rank among all minus rank among one's own kind counts the other kind below.
Components components(std::span<const double> scores, const std::vector<bool>& positive) {
  std::vector<double> all(scores.begin(), scores.end()), own[2];
  for (std::size_t i = 0; i < scores.size(); ++i) own[positive[i] ? 1 : 0].push_back(scores[i]);
  const std::vector<double> rank_all = mid_ranks(all);
  const std::vector<double> rank_own[2] = {mid_ranks(own[0]), mid_ranks(own[1])};
  const double counts[2] = {static_cast<double>(own[0].size()), static_cast<double>(own[1].size())};
  Components result;
  std::size_t seen[2] = {0, 0};
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const int kind = positive[i] ? 1 : 0;
    const double others_below = rank_all[i] - rank_own[kind][seen[kind]++];
    if (kind == 1) {
      result.positives.push_back(others_below / counts[0]);
    } else {
      result.negatives.push_back(1.0 - others_below / counts[1]);
    }
  }
  result.auc = std::accumulate(result.positives.begin(), result.positives.end(), 0.0) / counts[1];
  return result;
}

// Variance of the mean of the paired differences.
double mean_variance(const std::vector<double>& first, const std::vector<double>& second) {
  const double n = static_cast<double>(first.size());
  double mean = 0.0, squares = 0.0;
  for (std::size_t i = 0; i < first.size(); ++i) mean += (first[i] - second[i]) / n;
  for (std::size_t i = 0; i < first.size(); ++i) squares += std::pow(first[i] - second[i] - mean, 2);
  return squares / (n - 1.0) / n;
}

}  // namespace

McNemarResult mcnemar(const std::vector<bool>& first_right, const std::vector<bool>& second_right) {
  McNemarResult result;
  for (std::size_t i = 0; i < first_right.size(); ++i) {
    if (first_right[i] == second_right[i]) continue;
    ++(first_right[i] ? result.only_first : result.only_second);
  }
  const std::int64_t discordant = result.only_first + result.only_second;
  if (discordant == 0) return result;
  const double tail = binomial_half_cdf(std::min(result.only_first, result.only_second), discordant);
  result.p_value = std::min(1.0, 2.0 * tail);
  return result;
}

DeLongResult delong(std::span<const double> first, std::span<const double> second, const std::vector<bool>& positive) {
  const auto positives = std::count(positive.begin(), positive.end(), true);
  const auto negatives = static_cast<std::ptrdiff_t>(positive.size()) - positives;
  if (positives < 2 || negatives < 2) {
    const double undefined = std::numeric_limits<double>::quiet_NaN();
    return {undefined, undefined, undefined, undefined, undefined};
  }
  const Components a = components(first, positive);
  const Components b = components(second, positive);
  DeLongResult result;
  result.first_auc = a.auc;
  result.second_auc = b.auc;
  result.standard_error = std::sqrt(mean_variance(a.positives, b.positives) + mean_variance(a.negatives, b.negatives));
  const double difference = a.auc - b.auc;
  if (result.standard_error > 0.0) {
    result.z = difference / result.standard_error;
    result.p_value = std::erfc(std::abs(result.z) / std::sqrt(2.0));
  } else if (difference != 0.0) {  // both curves without variance: the test has nothing to go by
    result.z = result.p_value = std::numeric_limits<double>::quiet_NaN();
  }
  return result;
}

std::vector<double> holm(std::span<const double> p_values) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < p_values.size(); ++i) {
    if (!std::isnan(p_values[i])) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> corrected(p_values.size(), std::numeric_limits<double>::quiet_NaN());
  double largest = 0.0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const double share = static_cast<double>(order.size() - rank) * p_values[order[rank]];
    largest = std::max(largest, std::min(1.0, share));
    corrected[order[rank]] = largest;
  }
  return corrected;
}

}  // namespace pulmo::training
