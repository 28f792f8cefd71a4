#include <functional>
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
    upper.emplace_back(x, top - 16.0 * (x / 210.0) * (x / 210.0));
  }
  Outline mattress = upper;
  Outline shell = upper;
  for (Point& p : mattress) p.y -= 5.0;
  for (Point& p : shell) p.y += 18.0 - 10.0 * (p.x / 210.0) * (p.x / 210.0);
  fill(tissues, scanner, band(mattress, 4.5), Tissue::kTableCore);
  fill(tissues, scanner, band(upper, 0.5), Tissue::kSkin);
  fill(tissues, scanner, band(shell, 1.3), Tissue::kTableShell);
}

/// Calls paint(outline, tissue) for both breasts from outside to inside: skin, fat, gland, fat.
template <typename Paint>
void visit_breasts(const Anatomy& anatomy, double t, Paint&& paint) {
  const double swell = std::sqrt(std::max(0.0, 1.0 - std::pow((t - 0.52) / 0.26, 2.0)));
  if (anatomy.breast_mm <= 0.0 || swell <= 0.0) return;
  const double depth = (6.0 + 0.8 * anatomy.breast_mm) * swell;
  for (const int side : {-1, 1}) {
    const Point p = cavity_point(anatomy, t, (side > 0 ? -50.0 : -130.0) * kDegree, 11.0 + 0.3 * anatomy.fat_mm);
    const double turn = side * 0.5;
    paint(ellipse(p, 64.0 * swell + 1.8, depth + 1.8, turn), Tissue::kSkin);
    paint(ellipse(p, 64.0 * swell, depth, turn), Tissue::kFat);
    paint(ellipse(p + Point(side * 2.0, -0.3 * depth), 30.0 * swell, 0.45 * depth, turn), Tissue::kGland);
    paint(ellipse(p + Point(side * 7.0, -0.2 * depth), 14.0 * swell, 0.28 * depth, turn), Tissue::kFat);
  }
}

using WallPoint = std::function<Point(double degrees, double offset_mm)>;

/// Fat between layers of muscle, from one angle and distance from the pleura to another.
struct Plane {
  double first_degrees, first_mm, last_degrees, last_mm;
};

void paint_planes(cv::Mat& tissues, const View& view, const WallPoint& wall, std::initializer_list<Plane> planes) {
  for (const Plane& plane : planes) {
    Outline line;
    for (int i = 0; i <= 10; ++i) {
      const double share = i / 10.0;
      line.push_back(wall(plane.first_degrees + share * (plane.last_degrees - plane.first_degrees),
                          plane.first_mm + share * (plane.last_mm - plane.first_mm)));
    }
    fill(tissues, view, band(line, 0.9), Tissue::kFat);
  }
}

void paint_axilla(cv::Mat& tissues, const View& view, const WallPoint& wall, double t, int side) {
  const double size = interpolate({{-0.1, 0.5}, {0.1, 1.0}, {0.35, 0.6}, {0.5, 0.0}}, t);
  if (size <= 0.05) return;
  const Point centre = wall(-12.0, 24.0);
  fill(tissues, view, ellipse(centre, 13.0 * size, 24.0 * size, side * 0.2), Tissue::kFat);
  fill(tissues, view, ellipse(centre + Point(side * 2.0, -6.0), 3.6 * size, 2.8 * size), Tissue::kVenousBlood);
  fill(tissues, view, ellipse(centre + Point(side * -3.0, 5.0), 4.6 * size, 3.0 * size), Tissue::kMuscle);
}

/// Above the lung: fat and vessels behind the collar bone.
void paint_hollow(cv::Mat& tissues, const View& view, const Anatomy& anatomy, int side) {
  const Point centre(side * 56.0 * anatomy.width, -2.0);
  fill(tissues, view, ellipse(centre, 26.0, 17.0, side * 0.3), Tissue::kFat);
  fill(tissues, view, ellipse(centre + Point(side * -8.0, -4.0), 4.5, 3.6), Tissue::kVenousBlood);
  fill(tissues, view, ellipse(centre + Point(side * 6.0, 4.0), 6.0, 3.0, 0.6), Tissue::kMuscle);
}

/// Muscles of the wall with the fat between them: pectorals, axilla, latissimus, shoulder, erector spinae.
void paint_muscles(cv::Mat& tissues, const View& view, const Anatomy& anatomy, double t) {
  fill(tissues, view, body_outline(anatomy, t, 2.0 + 0.75 * anatomy.fat_mm), Tissue::kMuscle);
  for (const int side : {-1, 1}) {
    const WallPoint wall = [&](double degrees, double offset) {
      return cavity_point(anatomy, t, (side > 0 ? degrees : 180.0 - degrees) * kDegree, offset);
    };
    paint_axilla(tissues, view, wall, t, side);
    paint_planes(tissues, view, wall, {{-72, 15, -20, 15}, {5, 14, 56, 14}, {30, 22, 72, 25}, {-62, 19, -30, 23}});
    if (t < 0.3)
      paint_planes(tissues, view, wall, {{-58, 25, 2, 44}, {4, 50, 52, 29}, {-22, 47, 12, 62}, {28, 48, 66, 38}});
    if (t < 0.02) paint_hollow(tissues, view, anatomy, side);
    const Point back = spine_centre(anatomy, t) + Point(side * 23.0, 38.0);
    fill(tissues, view, ellipse(back, 20.5, 12.0, side * 0.2), Tissue::kFat);
    fill(tissues, view, ellipse(back, 19.3, 10.8, side * 0.2), Tissue::kMuscle);
  }
}

}  // namespace

void paint_body_wall(cv::Mat& tissues, const View& view, const Anatomy& anatomy) {
  const double t = anatomy.t_of(view.z_mm);
  visit_breasts(anatomy, t, [&](const Outline& outline, Tissue tissue) { fill(tissues, view, outline, tissue); });
  fill(tissues, view, body_outline(anatomy, t, 0.0), Tissue::kSkin);
  fill(tissues, view, body_outline(anatomy, t, 1.8), Tissue::kFat);
  visit_breasts(anatomy, t, [&](const Outline& outline, Tissue tissue) {
    if (tissue != Tissue::kSkin) fill(tissues, view, outline, tissue);
  });
  paint_muscles(tissues, view, anatomy, t);
}

cv::Mat paint_tissues(const Anatomy& anatomy, const View& view) {
  const cv::Size size(view.grid.side_px, view.grid.side_px);
  cv::Mat body(size, CV_8UC1, cv::Scalar(static_cast<int>(Tissue::kAir)));
  paint_body_wall(body, view, anatomy);
  paint_chest_cavity(body, view, anatomy);
  paint_mediastinum(body, view, anatomy);
  paint_skeleton(body, view, anatomy);
  cv::Mat inside = cv::Mat::zeros(size, CV_8UC1);  // nothing sticks out of the skin
  const double t = anatomy.t_of(view.z_mm);
  visit_breasts(anatomy, t, [&](const Outline& outline, Tissue) { fill(inside, view, outline, 255); });
  fill(inside, view, body_outline(anatomy, t, 0.0), 255);
  cv::Mat tissues(size, CV_8UC1, cv::Scalar(static_cast<int>(Tissue::kAir)));
  paint_table(tissues, view, anatomy);
  body.copyTo(tissues, inside);
  return tissues;
}

}  // namespace pulmo::pipeline::phantom
