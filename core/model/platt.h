#pragma once

#include <vector>

namespace pulmo {

/// p(positive) = 1 / (1 + exp(slope * decision + offset)).
struct PlattScaling {
  double slope = -1.0;
  double offset = 0.0;

  double probability(double decision) const;
};

/// Fits the sigmoid of Platt (1999) to decision values of samples that the machine was not trained on, by the Newton
/// method with backtracking of Lin, Lin and Weng (2007). Both classes must be there.
PlattScaling fit_platt(const std::vector<double>& decisions, const std::vector<bool>& positive);

}  // namespace pulmo
