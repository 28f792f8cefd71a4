#pragma once

#include <vector>

#include "core/support/seed.h"
#include "pipeline/phantom/geometry.h"

namespace pulmo::pipeline::phantom {

enum class LesionKind {
  kBenign,         ///< 4-9 mm, round, smooth, some calcified
  kMalignant,      ///< 10-28 mm, lobulated, spiculated, some with a ground-glass rim
  kIndeterminate,  ///< between the two
  kSmall,          ///< below 3 mm: LIDC readers mark one point
  kScar,           ///< a streak, no nodule
};
const char* to_string(LesionKind kind);

/// A bulge (or, with a negative amplitude, a notch) of a surface around `direction`.
struct Bump {
  Point3 direction;  ///< unit vector
  double amplitude;  ///< share of the radius
  double sharpness;  ///< larger is narrower
};

struct Lesion {
  LesionKind kind = LesionKind::kBenign;
  Point3 centre;            ///< body frame, mm
  double radius_mm = 0.0;   ///< before bumps and stretch; 0 for a scar
  Point3 stretch{1, 1, 1};  ///< of the axes
  std::vector<Bump> bumps;
  std::vector<Capsule> streaks;  ///< spicules, or what a scar consists of
  double hu = 35.0;
  double edge_mm = 0.4;  ///< over which the surface fades
  double rim_mm = 0.0;   ///< ground-glass halo
  double rim_hu = -620.0;
  double calcified_share = 0.0;  ///< radius of the calcified core as a share of the radius
  double calcified_hu = 0.0;
  double cavity_share = 0.0;  ///< radius of an air bubble as a share of the radius
  bool juxtapleural = false;

  /// Distance from the centre to the surface in a unit direction, mm, with further bumps (a reader's hand) added.
  double surface_mm(const Point3& direction, const std::vector<Bump>& extra = {}) const;
  /// Diameter of the ball of the same volume, without streaks and rim, mm; 0 for a scar.
  double diameter_mm() const;
  /// No part of it, rim and streaks included, is farther from the centre than this, mm.
  double reach_mm() const;
};

/// Draws everything but the place. The centre is the origin.
Lesion make_lesion(LesionKind kind, Random& random);

/// Moves centre and streaks.
void move_to(Lesion& lesion, const Point3& centre);
/// Scales everything about the centre.
void shrink(Lesion& lesion, double factor);

/// Even on the sphere.
Point3 random_direction(Random& random);

}  // namespace pulmo::pipeline::phantom
