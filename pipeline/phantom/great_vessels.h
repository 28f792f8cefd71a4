#pragma once

#include <vector>

#include "pipeline/phantom/anatomy.h"

namespace pulmo::pipeline::phantom {

/// Aorta with its arch and branches, venae cavae, pulmonary trunk and main arteries, azygos vein.
std::vector<Tube> make_great_vessels(const Anatomy& anatomy);

/// Trachea and main bronchi.
std::vector<Tube> make_airways(const Anatomy& anatomy);

/// Where the vessels and airways of one lung begin. `side`: -1 right, +1 left.
struct Hilum {
  Point3 artery;
  Point3 vein;
  Point3 bronchus;
};
Hilum hilum(const Anatomy& anatomy, int side);

}  // namespace pulmo::pipeline::phantom
