#include "tests/training/evaluation/random_predictions.h"

#include <cmath>

#include "core/support/seed.h"

namespace pulmo::training::testing {
namespace {

std::vector<double> scores(const RandomPredictions& options, int label, Random& random) {
  std::vector<double> values;
  double sum = 0.0;
  for (int k = 0; k < options.classes; ++k) {
    const double logit = random.normal(k == label ? options.skill : 0.0, 1.0);
    values.push_back(std::exp(logit));
    sum += values.back();
  }
  for (double& value : values) value /= sum;
  if (options.coarse > 0.0) {
    const double rounded = std::round(values[1] / options.coarse) * options.coarse;
    const double rest = 1.0 - values[1];
    for (std::size_t k = 0; k < values.size(); ++k) values[k] = k == 1 ? rounded : values[k] / rest * (1.0 - rounded);
  }
  return values;
}

std::string named(char kind, int number) {
  return kind + std::to_string(number);
}

}  // namespace

std::vector<Prediction> random_predictions(const RandomPredictions& options) {
  std::vector<Prediction> predictions;
  Random random(derive_seed(options.seed, "test.predictions"));
  for (int patient = 0; patient < options.patients; ++patient) {
    for (int group = 0; group < options.groups; ++group) {
      for (int sample = 0; sample < options.samples; ++sample) {
        const int label = static_cast<int>(random.below(static_cast<std::uint64_t>(options.classes)));
        const std::string instance = std::to_string(predictions.size());
        predictions.push_back(
            {named('P', patient), named('g', group), instance, label, scores(options, label, random)});
      }
    }
  }
  return predictions;
}

}  // namespace pulmo::training::testing
