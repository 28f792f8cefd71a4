#include "serving/verdict.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "serving/unusual.h"

namespace pulmo::serving {
namespace {

constexpr double kLittleLung = 0.05;  // of the picture: the slice lies at an end of the lungs, or is no axial chest CT
constexpr double kNearThreshold = 0.05;  // probabilities so close to the operating point could go either way

void add_warnings(const BundleMetadata& metadata, Prediction& prediction) {
  auto& warnings = prediction.warnings;
  // Nothing is known of the picture of a sample that came prepared.
  const std::vector<std::string> unusual =
      prediction.lung_fraction > 0.0 ? unusual_input(metadata.reference, prediction.input) : std::vector<std::string>{};
  prediction.unusual = !unusual.empty();
  warnings.insert(warnings.end(), unusual.begin(), unusual.end());
  if (metadata.phantom)
    warnings.emplace_back("this model was trained on a synthetic phantom: it knows no real patient");
  const double lungs = prediction.lung_fraction;
  if (metadata.spec.mask == LungMasking::kLungs && lungs > 0.0 && lungs < kLittleLung) {
    warnings.emplace_back("little lung in this slice: the prediction rests on few pixels");
  }
  const std::size_t positive = positive_index(metadata);
  if (positive < prediction.probabilities.size() &&
      std::abs(prediction.probabilities[positive] - metadata.threshold) < kNearThreshold) {
    warnings.emplace_back("the probability is close to the operating point: it could go either way");
  }
}

}  // namespace

std::size_t positive_index(const BundleMetadata& metadata) {
  const auto& names = metadata.class_names;
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), metadata.positive_class) - names.begin());
}

std::size_t choose_class(const BundleMetadata& metadata, const std::vector<double>& probabilities) {
  const std::size_t positive = positive_index(metadata);
  if (positive < probabilities.size() && probabilities[positive] >= metadata.threshold) return positive;
  std::size_t best = positive == 0 && probabilities.size() > 1 ? 1 : 0;
  for (std::size_t k = best + 1; k < probabilities.size(); ++k) {
    if (k != positive && probabilities[k] > probabilities[best]) best = k;
  }
  return best;
}

void judge(const BundleMetadata& metadata, std::vector<double> probabilities, Prediction& prediction) {
  prediction.class_name = metadata.class_names.at(choose_class(metadata, probabilities));
  prediction.probabilities = std::move(probabilities);
  add_warnings(metadata, prediction);
}

}  // namespace pulmo::serving
