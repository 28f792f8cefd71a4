#include <numbers>

#include "pipeline/phantom/skeleton.h"
#include "pipeline/phantom/thorax.h"

namespace pulmo::pipeline::phantom {
namespace {

constexpr double kDegree = std::numbers::pi / 180.0;

/// The table does not turn with the patient.
void paint_table(cv::Mat& tissues, const View& view, const Anatomy& anatomy) {
  View scanner = view;
  scanner.pose = {0.0, 0.0, anatomy.pose.shift_y_mm, 0.0};
  const double top = back_of_body(anatomy) + 9.0;
  Outline upper;
  for (int i = -20; i <= 20; ++i) {
    const double x = i * 10.5;
    upper.emplace_back(x, top - 22.0 * (x / 210.0) * (x / 210.0));
  }
  Outline mattress = upper;
  Outline shell = upper;
  for (Point& p : mattress) p.y -= 5.0;
  for (Point& p : shell) p.y += 18.0 - 10.0 * (p.x / 210.0) * (p.x / 210.0);
  fill(tissues, scanner, band(mattress, 4.5), Tissue::kTableCore);
  fill(tissues, scanner, band(upper, 0.5), Tissue::kSkin);
  fill(tissues, scanner, band(shell, 1.3), Tissue::kTableShell);
}

/// Breasts lie on the body wall: skin, fat, a core of gland.
void paint_breasts(cv::Mat& tissues, const View& view, const Anatomy& anatomy, double t) {
  const double swell = std::sqrt(std::max(0.0, 1.0 - std::pow((t - 0.52) / 0.24, 2.0)));
  if (anatomy.breast_mm <= 0.0 || swell <= 0.0) return;
  const double depth = anatomy.breast_mm * swell;
  for (const int side : {-1, 1}) {
    const Point p = cavity_point(anatomy, t, (side > 0 ? -52.0 : -128.0) * kDegree, 24.0);
    const double turn = side * 0.45;
    fill(tissues, view, ellipse(p, 50.0 * swell + 1.4, depth + 7.4, turn), Tissue::kSkin);
    fill(tissues, view, ellipse(p, 50.0 * swell, depth + 6.0, turn), Tissue::kFat);
    fill(tissues, view, ellipse(p + Point(side * 3.0, -0.35 * depth), 24.0 * swell, 0.42 * depth, turn),
         Tissue::kGland);
    fill(tissues, view, ellipse(p + Point(side * 8.0, -0.3 * depth), 10.0 * swell, 0.3 * depth, turn), Tissue::kFat);
  }
}

/// Muscles of the wall with the fat between them: pectorals, axilla, latissimus, erector spinae, trapezius.
void paint_muscles(cv::Mat& tissues, const View& view, const Anatomy& anatomy, double t) {
  fill(tissues, view, body_outline(anatomy, t, 2.0 + 0.75 * anatomy.fat_mm), Tissue::kMuscle);
  const double axilla = interpolate({{-0.1, 0.5}, {0.1, 1.0}, {0.35, 0.6}, {0.5, 0.0}}, t);
  for (const int side : {-1, 1}) {
    const auto wall = [&](double degrees, double offset) {
      return cavity_point(anatomy, t, (side > 0 ? degrees : 180.0 - degrees) * kDegree, offset);
    };
    if (axilla > 0.05) {
      const Point centre = wall(-12.0, 24.0);
      fill(tissues, view, ellipse(centre, 13.0 * axilla, 24.0 * axilla, side * 0.2), Tissue::kFat);
      fill(tissues, view, ellipse(centre + Point(side * 2.0, -6.0), 3.6 * axilla, 2.8 * axilla), Tissue::kVenousBlood);
      fill(tissues, view, ellipse(centre + Point(side * -3.0, 5.0), 4.6 * axilla, 3.0 * axilla), Tissue::kMuscle);
    }
    for (const auto& [first, last, offset] : {std::array{-72.0, -20.0, 15.0}, std::array{5.0, 56.0, 14.0},
                                              std::array{30.0, 72.0, 23.5}, std::array{-62.0, -30.0, 21.0}}) {
      Outline plane;
      for (int i = 0; i <= 10; ++i) plane.push_back(wall(first + (last - first) * i / 10.0, offset));
      fill(tissues, view, band(plane, 0.9), Tissue::kFat);
    }
    const Point spine = spine_centre(anatomy, t);
    fill(tissues, view, ellipse(spine + Point(side * 24.0, 40.0), 20.5, 12.5, side * 0.2), Tissue::kFat);
    fill(tissues, view, ellipse(spine + Point(side * 24.0, 40.0), 19.3, 11.3, side * 0.2), Tissue::kMuscle);
  }
}

}  // namespace

void paint_body_wall(cv::Mat& tissues, const View& view, const Anatomy& anatomy) {
  const double t = anatomy.t_of(view.z_mm);
  paint_table(tissues, view, anatomy);
  paint_breasts(tissues, view, anatomy, t);
  fill(tissues, view, body_outline(anatomy, t, 0.0), Tissue::kSkin);
  fill(tissues, view, body_outline(anatomy, t, 1.8), Tissue::kFat);
  paint_breasts(tissues, view, anatomy, t);
  paint_muscles(tissues, view, anatomy, t);
}

cv::Mat paint_tissues(const Anatomy& anatomy, const View& view) {
  cv::Mat tissues(view.grid.side_px, view.grid.side_px, CV_8UC1, cv::Scalar(static_cast<int>(Tissue::kAir)));
  paint_body_wall(tissues, view, anatomy);
  paint_chest_cavity(tissues, view, anatomy);
  paint_mediastinum(tissues, view, anatomy);
  paint_skeleton(tissues, view, anatomy);
  return tissues;
}

}  // namespace pulmo::pipeline::phantom
