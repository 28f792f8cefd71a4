#pragma once

#include <vector>

#include "pipeline/phantom/lung_map.h"

namespace pulmo::pipeline::phantom {

enum class LungTreeKind { kArtery, kVein, kAirway };

struct LungBranch {
  Capsule capsule;
  LungTreeKind kind = LungTreeKind::kArtery;
};

/// Arteries, veins and bronchi of both lungs. Each tree fills its lung as in Tawhai, Pullan and Hunter 2000 (Ann Biomed
/// Eng 28:793): the points to be supplied are split in two by a plane, a branch goes part of the way to the centre of
/// each half, and so on to the last point. Radii follow Murray's law with an exponent fitted to lung arteries (r ~
/// n^0.36 for n supplied points). Bronchi accompany the larger arteries.
std::vector<LungBranch> grow_lung_trees(const Anatomy& anatomy, const LungMap& map, Random& random);

}  // namespace pulmo::pipeline::phantom
