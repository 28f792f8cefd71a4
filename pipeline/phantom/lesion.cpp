#include "pipeline/phantom/lesion.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <opencv2/core.hpp>

namespace pulmo::pipeline::phantom {
namespace {

void add_bumps(Lesion& lesion, Random& random, int count, double amplitude, double sharpness) {
  for (int i = 0; i < count; ++i) {
    const double height = amplitude * random.uniform(0.5, 1.3) * (random.uniform() < 0.65 ? 1.0 : -0.8);
    lesion.bumps.push_back({random_direction(random), height, sharpness * random.uniform(0.7, 1.5)});
  }
}

void stretch(Lesion& lesion, Random& random, double amount) {
  lesion.stretch = {random.uniform(1 - amount, 1 + amount), random.uniform(1 - amount, 1 + amount),
                    random.uniform(1 - amount, 1 + amount)};
}

void add_spicules(Lesion& lesion, Random& random, int count) {
  for (int i = 0; i < count; ++i) {
    const Point3 direction = random_direction(random);
    const double surface = lesion.surface_mm(direction);
    const double length = random.uniform(0.22, 0.75) * lesion.radius_mm + random.uniform(1.0, 4.0);
    const Point3 tip = (surface + length) * direction + 0.18 * length * random_direction(random);
    const double root = random.uniform(0.9, 1.9);
    lesion.streaks.push_back({0.8 * surface * direction, tip, root, 0.35});
  }
}

Lesion make_benign(Random& random) {
  Lesion lesion;
  lesion.radius_mm = random.uniform(2.1, 4.5);
  lesion.hu = random.uniform(15, 70);
  stretch(lesion, random, 0.08);
  add_bumps(lesion, random, 2, 0.03, 3.0);
  if (random.uniform() < 0.35) {
    lesion.calcified_share = random.uniform(0.45, 1.1);
    lesion.calcified_hu = random.uniform(230, 850);
  }
  return lesion;
}

Lesion make_malignant(Random& random) {
  Lesion lesion;
  lesion.radius_mm = 0.5 * std::clamp(20.0 * std::exp(random.normal(0.0, 0.22)), 10.5, 27.5);
  lesion.hu = random.uniform(18, 60);
  lesion.edge_mm = random.uniform(0.4, 1.6);
  stretch(lesion, random, 0.18);
  add_bumps(lesion, random, 4 + static_cast<int>(random.below(4)), 0.16, 5.0);     // lobes
  add_bumps(lesion, random, 14 + static_cast<int>(random.below(14)), 0.16, 22.0);  // a ragged surface
  add_spicules(lesion, random, random.uniform() < 0.8 ? 26 + static_cast<int>(random.below(44)) : 4);
  if (random.uniform() < 0.3) {
    lesion.rim_mm = random.uniform(1.5, 4.0);
    lesion.rim_hu = random.uniform(-700, -480);
  }
  if (lesion.radius_mm > 9.0 && random.uniform() < 0.12) lesion.cavity_share = random.uniform(0.25, 0.45);
  lesion.juxtapleural = random.uniform() < 0.22;
  return lesion;
}

Lesion make_indeterminate(Random& random) {
  Lesion lesion;
  lesion.radius_mm = random.uniform(3.2, 6.0);
  lesion.hu = random.uniform(0, 55);
  lesion.edge_mm = random.uniform(0.4, 1.8);
  stretch(lesion, random, 0.16);
  add_bumps(lesion, random, 4, 0.08, 5.0);
  add_spicules(lesion, random, static_cast<int>(random.below(5)));
  lesion.juxtapleural = random.uniform() < 0.25;
  return lesion;
}

Lesion make_small(Random& random) {
  Lesion lesion;
  lesion.radius_mm = random.uniform(0.95, 1.35);
  lesion.hu = random.uniform(0, 200);
  return lesion;
}

/// A few fibrous strands around a common direction.
Lesion make_scar(Random& random) {
  Lesion lesion;
  lesion.hu = random.uniform(-120, 40);
  const Point3 main = random_direction(random);
  const int strands = 2 + static_cast<int>(random.below(4));
  for (int i = 0; i < strands; ++i) {
    const Point3 along = main + 0.5 * random_direction(random);
    const double half = random.uniform(4, 13);
    const double radius = random.uniform(0.7, 2.4);
    const Point3 aside = 2.5 * random_direction(random);
    const Point3 bend = aside + 0.25 * half * random_direction(random);
    lesion.streaks.push_back({aside - half * along, bend, 0.4, radius});
    lesion.streaks.push_back({bend, aside + half * along, radius, 0.4});
  }
  return lesion;
}

}  // namespace

const char* to_string(LesionKind kind) {
  switch (kind) {
    case LesionKind::kBenign: return "benign";
    case LesionKind::kMalignant: return "malignant";
    case LesionKind::kIndeterminate: return "indeterminate";
    case LesionKind::kSmall: return "small";
    case LesionKind::kScar: return "scar";
  }
  return "";
}

double Lesion::surface_mm(const Point3& direction, const std::vector<Bump>& extra) const {
  const Point3 scaled(direction.x / stretch.x, direction.y / stretch.y, direction.z / stretch.z);
  double factor = 1.0;
  for (const std::vector<Bump>* set : {&bumps, &extra}) {
    for (const Bump& bump : *set) {
      factor += bump.amplitude * std::exp(bump.sharpness * (bump.direction.dot(direction) - 1.0));
    }
  }
  return radius_mm * factor / cv::norm(scaled);
}

double Lesion::diameter_mm() const {
  constexpr int kDirections = 600;  // Fibonacci lattice on the sphere
  constexpr double kGoldenAngle = 2.399963229728653;
  double cubes = 0.0;
  for (int i = 0; i < kDirections; ++i) {
    const double z = 1.0 - (2.0 * i + 1.0) / kDirections;
    const double across = std::sqrt(1.0 - z * z);
    const double surface = surface_mm({across * std::cos(kGoldenAngle * i), across * std::sin(kGoldenAngle * i), z});
    cubes += surface * surface * surface;
  }
  return 2.0 * std::cbrt(cubes / kDirections);
}

double Lesion::reach_mm() const {
  double bulge = 1.0;
  for (const Bump& bump : bumps) bulge += std::max(0.0, bump.amplitude);
  double reach = radius_mm * bulge * std::max({stretch.x, stretch.y, stretch.z}) + edge_mm + rim_mm;
  for (const Capsule& streak : streaks) {
    reach =
        std::max({reach, cv::norm(streak.a - centre) + streak.radius_a, cv::norm(streak.b - centre) + streak.radius_b});
  }
  return reach;
}

Lesion make_lesion(LesionKind kind, Random& random) {
  Lesion lesion;
  switch (kind) {
    case LesionKind::kBenign: lesion = make_benign(random); break;
    case LesionKind::kMalignant: lesion = make_malignant(random); break;
    case LesionKind::kIndeterminate: lesion = make_indeterminate(random); break;
    case LesionKind::kSmall: lesion = make_small(random); break;
    case LesionKind::kScar: lesion = make_scar(random); break;
  }
  // Bumps and stretch change the volume: bring it back to what the radius stands for.
  if (lesion.radius_mm > 0.0) shrink(lesion, 2.0 * lesion.radius_mm / lesion.diameter_mm());
  lesion.kind = kind;
  return lesion;
}

void move_to(Lesion& lesion, const Point3& centre) {
  const Point3 shift = centre - lesion.centre;
  for (Capsule& streak : lesion.streaks) {
    streak.a += shift;
    streak.b += shift;
  }
  lesion.centre = centre;
}

void shrink(Lesion& lesion, double factor) {
  lesion.radius_mm *= factor;
  lesion.rim_mm *= factor;
  for (Capsule& streak : lesion.streaks) {
    streak.a = lesion.centre + factor * (streak.a - lesion.centre);
    streak.b = lesion.centre + factor * (streak.b - lesion.centre);
  }
}

Point3 random_direction(Random& random) {
  const double z = random.uniform(-1.0, 1.0);
  const double phi = random.uniform(0.0, 2.0 * std::numbers::pi);
  const double across = std::sqrt(1.0 - z * z);
  return {across * std::cos(phi), across * std::sin(phi), z};
}

}  // namespace pulmo::pipeline::phantom
