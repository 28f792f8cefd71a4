#include "tests/training/evaluation/some_faithfulness.h"

#include <limits>

namespace pulmo::training::testing {
namespace {

// From 1 towards `end`, or back.
std::vector<double> straight(double begin, double end) {
  std::vector<double> curve;
  for (int step = 0; step <= kCurveSteps; ++step) curve.push_back(begin + (end - begin) * step / kCurveSteps);
  return curve;
}

}  // namespace

Faithfulness some_faithfulness() {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const BootstrapOptions bootstrap{200, 0.95, 1};
  Faithfulness measured;
  measured.facts = {"proposed_cnn", "test", std::string(64, 'a'), "abc123", false, 4, 9, 3, bootstrap};
  measured.fold = "fold 2 of 5, seed 0, validation 0.125";
  measured.methods = summarise({{"grad_cam", {0.1, 0.2, 0.6, 0.3}, {0.9, 0.8, 0.4, 0.7}, {kNan, 0.5, 0.7, 0.6}},
                                {kRandomOrder, {0.6, 0.5, 0.7, 0.6}, {0.5, 0.4, 0.3, 0.4}, {0.1, 0.1, 0.1, 0.1}},
                                {kCentreOrder, {0.4, 0.4, 0.4, 0.4}, {0.6, 0.6, 0.6, 0.6}, {kNan, kNan, kNan, kNan}}},
                               {"a", "a", "b", "c"}, bootstrap);
  for (const double end : {0.0, 0.4, 0.2}) measured.curves.push_back({straight(1.0, end), straight(end, 1.0)});
  return measured;
}

}  // namespace pulmo::training::testing
