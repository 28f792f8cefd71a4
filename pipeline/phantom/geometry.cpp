#include "pipeline/phantom/geometry.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace pulmo::pipeline::phantom {

double interpolate(std::initializer_list<Knot> table, double at) {
  const Knot* previous = table.begin();
  if (at <= previous->at) return previous->value;
  for (const Knot& knot : table) {
    if (at <= knot.at) {
      const double share = (at - previous->at) / (knot.at - previous->at);
      return previous->value + share * (knot.value - previous->value);
    }
    previous = &knot;
  }
  return previous->value;
}

Point superellipse(double half_width, double half_depth, double exponent, double angle_rad) {
  const double c = std::cos(angle_rad);
  const double s = std::sin(angle_rad);
  return {half_width * std::copysign(std::pow(std::abs(c), 2.0 / exponent), c),
          half_depth * std::copysign(std::pow(std::abs(s), 2.0 / exponent), s)};
}

Outline ellipse(Point centre, double half_width, double half_depth, double angle_rad) {
  constexpr int kCorners = 48;
  const double c = std::cos(angle_rad);
  const double s = std::sin(angle_rad);
  Outline outline;
  outline.reserve(kCorners);
  for (int i = 0; i < kCorners; ++i) {
    const double phi = 2.0 * std::numbers::pi * i / kCorners;
    const Point p(half_width * std::cos(phi), half_depth * std::sin(phi));
    outline.emplace_back(centre.x + c * p.x - s * p.y, centre.y + s * p.x + c * p.y);
  }
  return outline;
}

Outline band(const Outline& line, double half_thickness) {
  Outline outline;
  Outline back;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const Point along = line[std::min(i + 1, line.size() - 1)] - line[i == 0 ? 0 : i - 1];
    const double length = std::max(1e-6, std::hypot(along.x, along.y));
    const Point normal(-along.y / length * half_thickness, along.x / length * half_thickness);
    outline.push_back(line[i] + normal);
    back.push_back(line[i] - normal);
  }
  outline.insert(outline.end(), back.rbegin(), back.rend());
  return outline;
}

std::vector<Capsule> chain(const std::vector<Station>& stations, double height) {
  std::vector<Capsule> capsules;
  for (std::size_t i = 1; i < stations.size(); ++i) {
    const Station& from = stations[i - 1];
    const Station& to = stations[i];
    capsules.push_back({from.at, to.at, from.radius, to.radius, height});
  }
  return capsules;
}

}  // namespace pulmo::pipeline::phantom
