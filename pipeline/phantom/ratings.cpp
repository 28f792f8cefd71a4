#include "pipeline/phantom/ratings.h"

#include <algorithm>
#include <cmath>

namespace pulmo::pipeline::phantom {
namespace {

/// A reader's whole-number opinion around `value`.
int opinion(Random& random, double value, double spread, int low = 1, int high = 5) {
  return std::clamp(static_cast<int>(std::lround(random.normal(value, spread))), low, high);
}

int malignancy(const Lesion& lesion, Random& random) {
  if (lesion.kind == LesionKind::kMalignant) {
    return opinion(random, 4.0 + 0.06 * (lesion.radius_mm - 7.0), 0.6, 3, 5);
  }
  if (lesion.kind == LesionKind::kIndeterminate) return opinion(random, 3.0, 0.4, 2, 4);
  return opinion(random, lesion.calcified_share > 0.0 ? 1.2 : 1.9, 0.6, 1, 3);
}

int calcification(const Lesion& lesion) {
  if (lesion.calcified_share <= 0.0) return 6;  // absent
  return lesion.calcified_share > 0.9 ? 3 : 5;  // solid, central
}

int texture(const Lesion& lesion, Random& random) {
  return lesion.rim_mm > 0.0 ? opinion(random, 3.6, 0.5, 3, 5) : opinion(random, 4.9, 0.35, 4, 5);
}

}  // namespace

Ratings rate(const Lesion& lesion, Random& random) {
  const double size = lesion.diameter_mm();
  double roughness = 0.0;
  for (const Bump& bump : lesion.bumps) roughness += std::abs(bump.amplitude);
  const auto spicules = static_cast<double>(lesion.streaks.size());
  const auto [least, most] = std::minmax({lesion.stretch.x, lesion.stretch.y, lesion.stretch.z});
  return {opinion(random, 2.4 + 0.14 * size, 0.6),
          1,  // soft tissue
          calcification(lesion),
          opinion(random, 5.2 - 6.0 * (most - least), 0.5),
          opinion(random, 5.0 - 1.2 * lesion.edge_mm - 0.04 * spicules, 0.5),
          opinion(random, 1.0 + 2.6 * roughness, 0.6),
          opinion(random, 1.0 + 0.12 * spicules, 0.6),
          texture(lesion, random),
          malignancy(lesion, random)};
}

}  // namespace pulmo::pipeline::phantom
