#include "core/model/platt.h"

#include <algorithm>
#include <cmath>

namespace pulmo {
namespace {

// Constants of the algorithm as published.
constexpr int kMaxIterations = 100;
constexpr double kMinStep = 1e-10;
constexpr double kRidge = 1e-12;  // keeps the Hessian invertible
constexpr double kSmallGradient = 1e-8;
constexpr double kDecrease = 1e-4;

struct Problem {
  const std::vector<double>& decisions;
  std::vector<double> targets;  ///< smoothed: (N+ + 1)/(N+ + 2) and 1/(N- + 2)
};

Problem make_problem(const std::vector<double>& decisions, const std::vector<bool>& positive) {
  const auto positives = static_cast<double>(std::count(positive.begin(), positive.end(), true));
  const double negatives = static_cast<double>(positive.size()) - positives;
  Problem problem{decisions, {}};
  for (const bool is_positive : positive) {
    problem.targets.push_back(is_positive ? (positives + 1.0) / (positives + 2.0) : 1.0 / (negatives + 2.0));
  }
  return problem;
}

/// Cross-entropy, in the form that neither overflows nor loses digits.
double cost(const Problem& problem, double slope, double offset) {
  double sum = 0.0;
  for (std::size_t i = 0; i < problem.targets.size(); ++i) {
    const double z = problem.decisions[i] * slope + offset;
    const double target = problem.targets[i];
    sum += z >= 0.0 ? target * z + std::log1p(std::exp(-z)) : (target - 1.0) * z + std::log1p(std::exp(z));
  }
  return sum;
}

struct Derivatives {
  double g_slope = 0.0, g_offset = 0.0;
  double h_slope = kRidge, h_offset = kRidge, h_mixed = 0.0;
};

Derivatives derive(const Problem& problem, const PlattScaling& at) {
  Derivatives d;
  for (std::size_t i = 0; i < problem.targets.size(); ++i) {
    const double f = problem.decisions[i];
    const double p = at.probability(f);
    const double curvature = p * (1.0 - p);
    const double gap = problem.targets[i] - p;
    d.h_slope += f * f * curvature;
    d.h_offset += curvature;
    d.h_mixed += f * curvature;
    d.g_slope += f * gap;
    d.g_offset += gap;
  }
  return d;
}

/// One Newton step, halved until the cost falls enough; false when it never does.
bool descend(const Problem& problem, const Derivatives& d, PlattScaling& scaling, double& value) {
  const double determinant = d.h_slope * d.h_offset - d.h_mixed * d.h_mixed;
  const double to_slope = -(d.h_offset * d.g_slope - d.h_mixed * d.g_offset) / determinant;
  const double to_offset = -(d.h_slope * d.g_offset - d.h_mixed * d.g_slope) / determinant;
  const double descent = d.g_slope * to_slope + d.g_offset * to_offset;
  double step = 1.0;
  while (step >= kMinStep) {
    const PlattScaling tried{scaling.slope + step * to_slope, scaling.offset + step * to_offset};
    const double tried_value = cost(problem, tried.slope, tried.offset);
    if (tried_value < value + kDecrease * step * descent) {
      scaling = tried;
      value = tried_value;
      return true;
    }
    step /= 2.0;
  }
  return false;
}

}  // namespace

double PlattScaling::probability(double decision) const {
  const double z = slope * decision + offset;
  return z >= 0.0 ? std::exp(-z) / (1.0 + std::exp(-z)) : 1.0 / (1.0 + std::exp(z));
}

PlattScaling fit_platt(const std::vector<double>& decisions, const std::vector<bool>& positive) {
  const Problem problem = make_problem(decisions, positive);
  const auto positives = static_cast<double>(std::count(positive.begin(), positive.end(), true));
  const double negatives = static_cast<double>(positive.size()) - positives;
  PlattScaling scaling{0.0, std::log((negatives + 1.0) / (positives + 1.0))};
  double value = cost(problem, scaling.slope, scaling.offset);
  for (int iteration = 0; iteration < kMaxIterations; ++iteration) {
    const Derivatives d = derive(problem, scaling);
    if (std::abs(d.g_slope) < kSmallGradient && std::abs(d.g_offset) < kSmallGradient) break;
    if (!descend(problem, d, scaling, value)) break;  // no way down from here: it is the minimum to rounding
  }
  return scaling;
}

}  // namespace pulmo
