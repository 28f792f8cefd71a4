#include "pipeline/phantom/great_vessels.h"

namespace pulmo::pipeline::phantom {
namespace {

/// A station of a vessel of the average patient: x, y in mm, height t, radius in mm.
struct Waypoint {
  double x, y, t, radius;
};

Point3 placed(const Anatomy& anatomy, double x, double y, double t) {
  return {x * anatomy.width, y * anatomy.depth, anatomy.z_of(t)};
}

std::vector<Capsule> course(const Anatomy& anatomy, std::initializer_list<Waypoint> waypoints) {
  std::vector<Station> stations;
  for (const Waypoint& p : waypoints) stations.push_back({placed(anatomy, p.x, p.y, p.t), p.radius * anatomy.width});
  return chain(stations);
}

/// A vessel that keeps in front of the spine, whose curve differs between patients.
std::vector<Capsule> along_spine(const Anatomy& anatomy, std::initializer_list<Waypoint> waypoints) {
  std::vector<Station> stations;
  for (const Waypoint& p : waypoints) {
    const Point spine = spine_centre(anatomy, p.t);
    stations.push_back({{spine.x + p.x * anatomy.width, spine.y + p.y, anatomy.z_of(p.t)}, p.radius * anatomy.width});
  }
  return chain(stations);
}

}  // namespace

std::vector<Tube> make_great_vessels(const Anatomy& anatomy) {
  const auto vein = [&](std::initializer_list<Waypoint> points) {
    return Tube{course(anatomy, points), Tissue::kVenousBlood};
  };
  const auto artery = [&](std::initializer_list<Waypoint> points) {
    return Tube{course(anatomy, points), Tissue::kArterialBlood};
  };
  const Point arch_end = spine_centre(anatomy, 0.24);
  const double arch_y = arch_end.y / anatomy.depth - 17.0;
  return {
      vein({{-34, -24, 0.03, 6.5},
            {-27, -20, 0.13, 7.0},
            {-26, -18, 0.2, 8.5},
            {-25, -12, 0.34, 9.5},
            {-22, -8, 0.46, 11}}),
      vein({{32, -30, 0.06, 6.0}, {4, -37, 0.125, 6.5}, {-25, -21, 0.165, 7.0}}),
      vein({{12, -38, 0.46, 15}, {15, -28, 0.39, 14}, {14, -20, 0.35, 13}}),
      vein({{13, -14, 0.345, 11}, {-10, -8, 0.36, 10}, {-36, 0, 0.375, 8}}),
      vein({{16, -12, 0.34, 11}, {30, 2, 0.335, 9.5}, {42, 14, 0.365, 7.5}}),
      vein({{-22, 4, 0.70, 11}, {-22, 10, 0.80, 11.5}, {-22, 16, 1.1, 12}}),
      artery({{-6, -20, 0.52, 14},
              {-12, -26, 0.42, 15.5},
              {-13, -26, 0.30, 15},
              {-8, -20, 0.225, 13.5},
              {8, -4, 0.19, 13},
              {20, 12, 0.195, 12.5},
              {24, arch_y, 0.24, 12}}),
      Tube{along_spine(anatomy, {{24, -17, 0.24, 12.2},
                                 {25, -16, 0.40, 11.8},
                                 {21, -20, 0.68, 11.2},
                                 {11, -24, 0.92, 10.5},
                                 {6, -26, 1.15, 10}}),
           Tissue::kArterialBlood},
      artery({{-4, -15, 0.19, 6.5}, {-16, -8, 0.09, 6.2}, {-26, -4, -0.02, 5.5}, {-30, 0, -0.12, 4.5}}),
      artery({{9, -5, 0.18, 4.6}, {17, -2, 0.06, 4.2}, {22, 0, -0.12, 4.0}}),
      artery({{20, 10, 0.19, 5.6}, {27, 14, 0.09, 5.2}, {40, 8, 0.0, 5.0}, {62, -2, -0.05, 4.5}}),
      Tube{along_spine(anatomy, {{-9, -17, 0.29, 3.4}, {-8, -17, 0.6, 3.4}, {-6, -17, 1.1, 3.0}}),
           Tissue::kVenousBlood},
  };
}

std::vector<Tube> make_airways(const Anatomy& anatomy) {
  const auto airway = [&](std::initializer_list<Waypoint> points) {
    return Tube{course(anatomy, points), Tissue::kAirwayLumen, 1.5, Tissue::kAirwayWall};
  };
  return {
      airway({{1, 6, -0.15, 9.6}, {0, 14, 0.12, 10.0}, {-2, 22, 0.30, 10.2}}),
      airway({{-3, 22, 0.305, 8.6}, {-20, 22, 0.355, 7.8}, {-36, 19, 0.40, 6.8}}),
      airway({{1, 22, 0.305, 8.2}, {20, 23, 0.365, 7.2}, {38, 22, 0.41, 6.4}}),
  };
}

Hilum hilum(const Anatomy& anatomy, int side) {
  if (side < 0) {
    return {placed(anatomy, -38, 1, 0.38), placed(anatomy, -30, 8, 0.47), placed(anatomy, -36, 19, 0.40)};
  }
  return {placed(anatomy, 43, 15, 0.37), placed(anatomy, 36, 10, 0.47), placed(anatomy, 38, 22, 0.41)};
}

}  // namespace pulmo::pipeline::phantom
