#include "pipeline/phantom/anatomy.h"

#include <numbers>

#include "pipeline/phantom/great_vessels.h"
#include "pipeline/phantom/skeleton.h"

namespace pulmo::pipeline::phantom {
namespace {

constexpr double kPi = std::numbers::pi;

struct Section {
  double half_width;
  double front;
  double back;
};

Section cavity_section(const Anatomy& anatomy, double t) {
  Section section{};
  section.half_width =
      interpolate({{-0.1, 62}, {0.0, 76}, {0.1, 97}, {0.25, 114}, {0.45, 125}, {0.7, 132}, {1.0, 133}}, t);
  section.front =
      interpolate({{-0.1, -12}, {0.0, -28}, {0.1, -52}, {0.25, -76}, {0.45, -90}, {0.7, -94}, {1.0, -90}}, t);
  section.back = interpolate({{-0.1, 52}, {0.0, 62}, {0.1, 74}, {0.25, 82}, {0.6, 88}, {1.0, 86}}, t);
  section.half_width *= anatomy.width;
  section.front *= anatomy.depth;
  section.back = section.back * anatomy.depth + anatomy.kyphosis_mm * std::sin(kPi * std::clamp(t, 0.0, 1.0));
  return section;
}

Section body_section(const Anatomy& anatomy, double t) {
  Section section{};
  section.half_width = interpolate({{-0.1, 168}, {0.0, 164}, {0.15, 158}, {0.35, 153}, {0.6, 150}, {1.0, 149}}, t);
  section.front = interpolate({{-0.1, -52}, {0.0, -66}, {0.12, -84}, {0.3, -101}, {0.6, -111}, {1.0, -110}}, t);
  section.back = interpolate({{-0.1, 88}, {0.0, 95}, {0.2, 107}, {0.5, 111}, {1.0, 107}}, t);
  const double fat = anatomy.fat_mm - 10.0;
  const Section cavity = cavity_section(anatomy, t);  // the wall never gets thinner than ribs, muscle and fat
  section.half_width = section.half_width * anatomy.width + fat;
  section.front = section.front * anatomy.depth - 0.8 * fat;
  section.back = section.back * anatomy.depth + 0.7 * fat;
  section.back += anatomy.kyphosis_mm * std::sin(kPi * std::clamp(t, 0.0, 1.0));
  section.half_width = std::max(section.half_width, cavity.half_width + 15.0 + 0.8 * anatomy.fat_mm);
  section.front = std::min(section.front, cavity.front - 15.0 - 0.5 * anatomy.fat_mm);
  section.back = std::max(section.back, cavity.back + 21.0 + 0.5 * anatomy.fat_mm);
  return section;
}

double rippled(const Anatomy& anatomy, double t, double angle_rad) {
  double factor = 1.0;
  for (const Ripple& ripple : anatomy.ripples) {
    factor += ripple.amplitude * std::cos(ripple.order * angle_rad + ripple.phase_rad + ripple.twist_rad * t);
  }
  return factor;
}

Point on_section(const Section& section, double exponent, double offset_mm, double angle_rad) {
  const Point p = superellipse(section.half_width + offset_mm, (section.back - section.front) / 2.0 + offset_mm,
                               exponent, angle_rad);
  return {p.x, p.y + (section.back + section.front) / 2.0};
}

template <typename PointAt>
Outline closed_outline(PointAt&& point_at) {
  constexpr int kCorners = 144;
  Outline outline;
  outline.reserve(kCorners);
  for (int i = 0; i < kCorners; ++i) outline.push_back(point_at(2.0 * kPi * i / kCorners));
  return outline;
}

void draw_habitus(Anatomy& anatomy, Random& random) {
  const double size = random.normal(1.0, 0.045);
  anatomy.height_mm = std::clamp(random.normal(188, 12), 165.0, 215.0);
  anatomy.width = std::clamp(size * random.normal(1.0, 0.035), 0.86, 1.12);
  anatomy.depth = std::clamp(size * random.normal(1.0, 0.06), 0.84, 1.18);
  anatomy.fat_mm = std::clamp(random.normal(15, 6), 5.0, 30.0);
  anatomy.breast_mm = random.uniform() < 0.5 ? random.uniform(12, 34) : 0.0;
  anatomy.kyphosis_mm = random.uniform(-2, 8);
  anatomy.right_dome = random.uniform(0.60, 0.70);
  anatomy.left_dome = anatomy.right_dome + random.uniform(0.0, 0.07);
  const double uneven = random.uniform(-0.04, 0.04);
  anatomy.right_apex = std::max(0.0, uneven);
  anatomy.left_apex = std::max(0.0, -uneven);
  anatomy.heart = std::clamp(random.normal(1.0, 0.08), 0.82, 1.2);
  anatomy.stomach_gas_mm = random.uniform() < 0.6 ? random.uniform(12, 26) : 0.0;
  anatomy.vertebra_mm = random.uniform(19.5, 22.5);
  anatomy.vertebra_phase = random.uniform();
}

void draw_position(Anatomy& anatomy, Random& random) {
  for (std::size_t i = 0; i < anatomy.ripples.size(); ++i) {
    const double order = static_cast<double>(i) + 1.0;
    anatomy.ripples[i] = {order, random.normal(0.0, 0.013 / order), random.uniform(0, 2 * kPi), random.uniform(-1, 1)};
  }
  anatomy.pose.angle_rad = random.normal(0.0, 0.045);
  anatomy.pose.shift_x_mm = random.normal(0.0, 6.0);
  anatomy.pose.shift_y_mm = random.normal(-8.0, 5.0);
  anatomy.pose.lean = random.normal(0.0, 0.025);
}

void draw_densities(Anatomy& anatomy, Random& random) {
  const double contrast = random.uniform() < 0.45 ? random.uniform(80, 200) : 0.0;
  anatomy.hu = make_tissue_table(random, contrast);
  anatomy.posterior_gain_hu = random.uniform(8, 38);
  anatomy.emphysema = random.uniform() < 0.3 ? random.uniform(0.3, 1.0) : 0.0;
}

}  // namespace

Anatomy make_anatomy(Random& random) {
  Anatomy anatomy;
  draw_habitus(anatomy, random);
  draw_position(anatomy, random);
  draw_densities(anatomy, random);
  anatomy.bones = make_skeleton(anatomy);
  anatomy.vessels = make_great_vessels(anatomy);
  anatomy.airways = make_airways(anatomy);
  return anatomy;
}

Point cavity_point(const Anatomy& anatomy, double t, double angle_rad, double offset_mm) {
  return rippled(anatomy, t, angle_rad) * on_section(cavity_section(anatomy, t), 2.25, offset_mm, angle_rad);
}

Outline cavity_outline(const Anatomy& anatomy, double t, double offset_mm) {
  return closed_outline([&](double angle) { return cavity_point(anatomy, t, angle, offset_mm); });
}

double cavity_half_width(const Anatomy& anatomy, double t) {
  return cavity_section(anatomy, t).half_width;
}

double cavity_front(const Anatomy& anatomy, double t) {
  return cavity_section(anatomy, t).front;
}

Outline body_outline(const Anatomy& anatomy, double t, double inset_mm) {
  return closed_outline([&](double angle) {
    return rippled(anatomy, t, angle) * on_section(body_section(anatomy, t), 2.5, -inset_mm, angle);
  });
}

Point spine_centre(const Anatomy& anatomy, double t) {
  const double y = interpolate({{-0.1, 44}, {0.0, 48}, {0.2, 53}, {0.5, 56}, {0.8, 54}, {1.0, 50}}, t);
  return {0.0, y * anatomy.depth + anatomy.kyphosis_mm * std::sin(kPi * std::clamp(t, 0.0, 1.0))};
}

double back_of_body(const Anatomy& anatomy) {
  double back = 0.0;
  for (double t = 0.0; t <= 1.0; t += 0.1) back = std::max(back, body_section(anatomy, t).back);
  return back;
}

}  // namespace pulmo::pipeline::phantom
