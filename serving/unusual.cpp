#include "serving/unusual.h"

#include <cstdio>

namespace pulmo::serving {
namespace {

std::string three_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

void judge(const char* what, double value, const BinnedDistribution& reference, std::vector<std::string>& found) {
  if (!reference.is_beyond(value)) return;
  found.push_back(std::string("unusual ") + what + ": " + three_digits(value) + ", but " + three_digits(reference.low) +
                  " to " + three_digits(reference.high) + " in all pictures that the model was validated on");
}

}  // namespace

std::vector<std::string> unusual_input(const std::optional<ReferenceStatistics>& reference,
                                       const InputStatistics& input) {
  std::vector<std::string> found;
  if (!reference) return found;
  judge("share of lung", input.lung_fraction, reference->lung_fraction, found);
  judge("mean brightness", input.mean_intensity, reference->mean_intensity, found);
  return found;
}

}  // namespace pulmo::serving
