#pragma once

#include <initializer_list>
#include <opencv2/core/types.hpp>
#include <vector>

namespace pulmo::pipeline::phantom {

/// Body frame of one phantom patient, mm: x to the patient's left, y to the back, z to the head (as DICOM's patient
/// axes, PS3.3 C.7.6.2.1.1), with the origin in the middle of the chest at the height of the upper lung apex.
using Point = cv::Point2d;
using Point3 = cv::Point3d;
using Outline = std::vector<Point>;  ///< closed polygon in one axial plane

/// A straight tube with round ends whose radius changes evenly from `a` to `b`. Vessels, airways, ribs and spicules
/// are chains of them.
struct Capsule {
  Point3 a;
  Point3 b;
  double radius_a = 0.0;  ///< mm
  double radius_b = 0.0;  ///< mm
  double height = 1.0;    ///< the cross-section is this many times taller (along z) than wide
};

/// One knot of a table of values.
struct Knot {
  double at;
  double value;
};

/// Linear interpolation between knots sorted by `at`; constant beyond both ends.
double interpolate(std::initializer_list<Knot> table, double at);

/// |x/a|^n + |y/b|^n = 1 at parameter `angle_rad`: 0 is left (+x), pi/2 is the back (+y).
Point superellipse(double half_width, double half_depth, double exponent, double angle_rad);

/// An ellipse as a polygon, turned by `angle_rad`.
Outline ellipse(Point centre, double half_width, double half_depth, double angle_rad = 0.0);

/// The polygon that covers a polyline with `half_thickness` to each side.
Outline band(const Outline& line, double half_thickness);

/// Joins points with radii into capsules.
struct Station {
  Point3 at;
  double radius;
};
std::vector<Capsule> chain(const std::vector<Station>& stations, double height = 1.0);

}  // namespace pulmo::pipeline::phantom
