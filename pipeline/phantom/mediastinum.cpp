#include <numbers>

#include "pipeline/phantom/skeleton.h"
#include "pipeline/phantom/thorax.h"

namespace pulmo::pipeline::phantom {
namespace {

/// A ball stretched along the axes and turned in the axial plane. Position as for the great vessels.
struct Ellipsoid {
  double x, y, t;
  double half_width, half_depth, half_height;  ///< mm
  double angle_rad;
  Tissue tissue;
};

void paint_ellipsoid(cv::Mat& tissues, const View& view, const Anatomy& anatomy, const Ellipsoid& part,
                     double grow_mm) {
  const double scale = anatomy.heart;
  const double height = part.half_height * scale + grow_mm;
  const double above = (view.z_mm - anatomy.z_of(part.t)) / height;
  if (std::abs(above) >= 1.0) return;
  const double cut = std::sqrt(1.0 - above * above);
  fill(tissues, view,
       ellipse({part.x * anatomy.width, part.y * anatomy.depth}, (part.half_width * scale + grow_mm) * cut,
               (part.half_depth * scale + grow_mm) * cut, part.angle_rad),
       part.tissue);
}

/// Half-width of the fat between the lungs at `share` of the way from the breast bone (0) to the spine (1), for three
/// heights: great vessels, hila, heart.
double septum_half_width(double t, double share) {
  const double upper = interpolate({{0.0, 12}, {0.15, 24}, {0.4, 31}, {0.7, 27}, {1.0, 19}}, share);
  const double middle = interpolate({{0.0, 5}, {0.15, 10}, {0.35, 33}, {0.65, 33}, {0.85, 22}, {1.0, 18}}, share);
  const double lower = interpolate({{0.0, 16}, {0.2, 30}, {0.5, 40}, {0.75, 24}, {1.0, 17}}, share);
  const double bottom = interpolate({{0.0, 26}, {0.3, 40}, {0.6, 28}, {0.8, 24}, {1.0, 20}}, share);
  if (t < 0.3) return interpolate({{0.12, upper}, {0.3, middle}}, t);
  return interpolate({{0.34, middle}, {0.55, lower}, {0.72, lower}, {0.85, bottom}}, t);
}

void paint_septum(cv::Mat& tissues, const View& view, const Anatomy& anatomy, double t) {
  const double front = cavity_front(anatomy, t) - 2.0;
  const double back = spine_centre(anatomy, t).y;
  const double shift = interpolate({{0.2, 0.0}, {0.6, 7.0}, {1.0, 4.0}}, t);
  Outline right;
  Outline left;
  for (int i = 0; i <= 24; ++i) {
    const double share = i / 24.0;
    const double y = front + share * (back - front);
    const double half = anatomy.width * septum_half_width(t, share);
    const double middle = shift * std::sin(std::numbers::pi * share);
    // On the left the descending aorta fills the corner between heart and spine.
    const double aorta = t > 0.22 ? interpolate({{0.45, 0.0}, {0.7, 40.0}, {0.92, 40.0}, {1.0, 30.0}}, share) : 0.0;
    right.emplace_back(middle - half, y);
    left.emplace_back(std::max(middle + half, aorta * anatomy.width), y);
  }
  right.insert(right.end(), left.rbegin(), left.rend());
  fill(tissues, view, right, Tissue::kMediastinalFat);
}

void paint_heart(cv::Mat& tissues, const View& view, const Anatomy& anatomy) {
  const double low = 0.5 * (anatomy.right_dome + anatomy.left_dome) - 0.655;  // the heart rests on the diaphragm
  const Ellipsoid muscle = {20, -28, 0.60 + low, 62, 45, 46, -0.55, Tissue::kMyocardium};
  Ellipsoid pericardial_fat = muscle;
  pericardial_fat.tissue = Tissue::kMediastinalFat;
  paint_ellipsoid(tissues, view, anatomy, pericardial_fat, 3.5);
  paint_ellipsoid(tissues, view, anatomy, muscle, 0.0);
  constexpr Tissue kArterial = Tissue::kArterialBlood;
  constexpr Tissue kVenous = Tissue::kVenousBlood;
  for (const Ellipsoid& chamber : {Ellipsoid{-18, -16, 0.58 + low, 19, 25, 32, -0.2, kVenous},
                                   Ellipsoid{14, -48, 0.62 + low, 38, 15, 30, -0.5, kVenous},
                                   Ellipsoid{40, -26, 0.62 + low, 30, 17, 28, -0.75, kArterial},
                                   Ellipsoid{6, 4, 0.52 + low, 30, 15, 24, -0.1, kArterial}}) {
    paint_ellipsoid(tissues, view, anatomy, chamber, 0.0);
  }
}

void paint_oesophagus(cv::Mat& tissues, const View& view, const Anatomy& anatomy, double t) {
  const Point spine = spine_centre(anatomy, t);
  const Point centre(interpolate({{0.1, 4}, {0.5, 6}, {0.9, 14}}, t),
                     spine.y - interpolate({{0.0, 21}, {0.3, 23}, {0.6, 24}, {0.9, 32}}, t));
  fill(tissues, view, ellipse(centre, 8.0, 5.5), Tissue::kOesophagus);
}

}  // namespace

void paint_mediastinum(cv::Mat& tissues, const View& view, const Anatomy& anatomy) {
  const double t = anatomy.t_of(view.z_mm);
  const Point spine = spine_centre(anatomy, t);
  if (t > 0.02) paint_septum(tissues, view, anatomy, t);
  fill(tissues, view, ellipse(spine + Point(0.0, 14.0), 27.0 * anatomy.width, 27.0), Tissue::kMuscle);
  fill(tissues, view, ellipse(spine, 21.0 * anatomy.width, 18.0), Tissue::kMediastinalFat);
  if (t < 0.06) {  // root of the neck: muscles around windpipe and vessels
    fill(tissues, view, ellipse(spine + Point(0.0, -14.0), 30.0, 18.0), Tissue::kMuscle);
    fill(tissues, view, ellipse({0.0, 4.0}, 26.0, 20.0), Tissue::kMediastinalFat);
  }
  paint_left_liver_lobe(tissues, view, anatomy);
  paint_heart(tissues, view, anatomy);
  paint_oesophagus(tissues, view, anatomy, t);
  paint_tubes(tissues, view, anatomy.vessels);
  paint_tubes(tissues, view, anatomy.airways);
}

}  // namespace pulmo::pipeline::phantom
