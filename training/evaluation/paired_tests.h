#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace pulmo::training {

struct McNemarResult {
  std::int64_t only_first = 0;   ///< right in the first row only
  std::int64_t only_second = 0;  ///< right in the second row only
  double p_value = 1.0;
};

/// McNemar's exact test (McNemar 1947; two-sided binomial, p = 1/2, on the discordant pairs). It takes the pairs as
/// independent, which slices of one patient are not: see docs/train.md.
McNemarResult mcnemar(const std::vector<bool>& first_right, const std::vector<bool>& second_right);

struct DeLongResult {
  double first_auc = 0.0;
  double second_auc = 0.0;
  double standard_error = 0.0;  ///< of the difference
  double z = 0.0;               ///< (first - second) / standard_error; 0 when both curves agree everywhere
  double p_value = 1.0;         ///< two-sided
};

/// DeLong, DeLong, Clarke-Pearson 1988: the difference of two correlated areas under the ROC curve, scores of the same
/// subjects. All NaN when a class is missing or has a single member; z and p NaN when two different areas have no
/// variance (one row right everywhere, the other constant).
DeLongResult delong(std::span<const double> first, std::span<const double> second, const std::vector<bool>& positive);

/// Holm's step-down correction (Holm 1979) of the p-values of one family of tests, in their order: the i-th smallest of
/// m becomes min(1, (m - i + 1) p), and never less than a smaller one became. Rejecting what is below alpha keeps the
/// chance of any false rejection at alpha, whatever the tests' dependence. An undefined p-value (NaN) stays so and does
/// not count.
std::vector<double> holm(std::span<const double> p_values);

}  // namespace pulmo::training
