#include "pipeline/phantom/lesion_placement.h"

#include <opencv2/core.hpp>

namespace pulmo::pipeline::phantom {
namespace {

constexpr int kTries = 300;
constexpr double kGap = 8.0;  ///< mm between lesions, so that readers' marks do not merge

bool clear_of(const std::vector<Lesion>& placed, const Lesion& lesion, const Point3& centre) {
  for (const Lesion& other : placed) {
    if (cv::norm(other.centre - centre) < other.reach_mm() + lesion.reach_mm() + kGap) return false;
  }
  return true;
}

/// The ball of radius `radius_mm` lies in the lung at several heights.
bool inside_lung(const LungMap& map, const Point3& centre, double radius_mm) {
  for (const double share : {-0.85, -0.45, 0.0, 0.45, 0.85}) {
    const Point3 at(centre.x, centre.y, centre.z + share * radius_mm);
    if (map.depth_mm(at) < std::sqrt(1.0 - share * share) * radius_mm) return false;
  }
  return true;
}

bool against_chest_wall(const Anatomy& anatomy, const LungMap& map, const Point3& centre, double radius_mm) {
  const double depth = map.depth_mm(centre);
  const double width = cavity_half_width(anatomy, anatomy.t_of(centre.z));
  const double above = map.depth_mm({centre.x, centre.y, centre.z + 0.8 * radius_mm});
  const double below = map.depth_mm({centre.x, centre.y, centre.z - 0.8 * radius_mm});
  return depth > 0.4 * radius_mm && depth < 0.8 * radius_mm && std::abs(centre.x) > 0.6 * width &&
         std::min(above, below) > 0.25 * radius_mm;
}

bool fits(const Lesion& lesion, const Anatomy& anatomy, const LungMap& map, const Point3& centre) {
  if (lesion.kind == LesionKind::kScar) return map.depth_mm(centre) > 3.0;
  if (lesion.juxtapleural) return against_chest_wall(anatomy, map, centre, lesion.radius_mm);
  return inside_lung(map, centre, lesion.radius_mm * 1.2 + 1.0);
}

}  // namespace

void place(Lesion lesion, const Anatomy& anatomy, const LungMap& map, Random& random, std::vector<Lesion>& placed) {
  for (;;) {
    for (int i = 0; i < kTries; ++i) {
      Point3 centre = map.random_point(random, 0);
      centre.z = map.nearest_slice_z(centre.z) + random.uniform(-0.3, 0.3) * std::min(lesion.radius_mm, 3.0);
      if (!fits(lesion, anatomy, map, centre) || !clear_of(placed, lesion, centre)) continue;
      move_to(lesion, centre);
      placed.push_back(std::move(lesion));
      return;
    }
    shrink(lesion, 0.95);
  }
}

}  // namespace pulmo::pipeline::phantom
