#include <numbers>
#include <opencv2/core.hpp>

#include "pipeline/phantom/thorax.h"

namespace pulmo::pipeline::phantom {
namespace {

/// Which part of the picture is pleural space, and what of it is below the diaphragm.
struct CavityMasks {
  cv::Mat cavity;
  cv::Mat right_abdomen;
  cv::Mat left_abdomen;
};

cv::Mat empty_mask(const View& view) {
  return cv::Mat::zeros(view.grid.side_px, view.grid.side_px, CV_8UC1);
}

/// A dome: the cross-section of a paraboloid grows with the root of the depth below its top.
double dome_growth(double t, double top, double depth) {
  return t <= top ? 0.0 : std::sqrt((t - top) / depth);
}

cv::Mat cavity_mask(const View& view, const Anatomy& anatomy, double t) {
  cv::Mat mask = empty_mask(view);
  cv::Mat domes = empty_mask(view);
  fill(mask, view, cavity_outline(anatomy, t), 255);
  for (const int side : {-1, 1}) {  // each lung begins in a dome of its own
    const double growth = dome_growth(t, side < 0 ? anatomy.right_apex : anatomy.left_apex, 0.11);
    if (growth <= 0.0) continue;
    const Point centre(side * interpolate({{0.0, 44}, {0.15, 56}}, t) * anatomy.width, 26.0 * anatomy.depth);
    fill(domes, view, ellipse(centre, 46.0 * growth * anatomy.width, 62.0 * growth * anatomy.depth, side * 0.1), 255);
  }
  if (t < 0.3) cv::bitwise_and(mask, domes, mask);
  return mask;
}

cv::Mat abdomen_mask(const View& view, const Anatomy& anatomy, double t, int side) {
  cv::Mat mask = empty_mask(view);
  const double growth = dome_growth(t, side < 0 ? anatomy.right_dome : anatomy.left_dome, 0.2);
  if (growth <= 0.0) return mask;
  const double width = cavity_half_width(anatomy, t);
  // The centre moves forward on the way down: what lung is left lies at the back.
  const Point centre(side * 0.47 * width, cavity_front(anatomy, t) * (0.16 + 0.14 * growth));
  fill(mask, view, ellipse(centre, 0.56 * width * growth, 0.80 * width * growth * 0.86, side * 0.12), 255);
  return mask;
}

CavityMasks masks_of(const View& view, const Anatomy& anatomy, double t) {
  CavityMasks masks{cavity_mask(view, anatomy, t), abdomen_mask(view, anatomy, t, -1),
                    abdomen_mask(view, anatomy, t, 1)};
  cv::bitwise_and(masks.right_abdomen, masks.cavity, masks.right_abdomen);
  cv::bitwise_and(masks.left_abdomen, masks.cavity, masks.left_abdomen);
  return masks;
}

void set(cv::Mat& tissues, const cv::Mat& mask, Tissue tissue) {
  tissues.setTo(cv::Scalar(static_cast<int>(tissue)), mask);
}

/// Fills the outline where `within` is set.
void fill_within(cv::Mat& tissues, const View& view, const cv::Mat& within, const Outline& outline, Tissue tissue) {
  cv::Mat mask = empty_mask(view);
  fill(mask, view, outline, 255);
  cv::bitwise_and(mask, within, mask);
  set(tissues, mask, tissue);
}

void paint_left_abdomen(cv::Mat& tissues, const View& view, const Anatomy& anatomy, const cv::Mat& within) {
  const double t = anatomy.t_of(view.z_mm);
  const double growth = dome_growth(t, anatomy.left_dome, 0.2);
  const double width = cavity_half_width(anatomy, t);
  const Point stomach(0.40 * width, cavity_front(anatomy, t) * 0.28);
  fill_within(tissues, view, within, ellipse(stomach, 0.40 * width * growth, 0.50 * width * growth, -0.2),
              Tissue::kStomach);
  if (anatomy.stomach_gas_mm > 0.0) {  // gas rises to the front of a patient on his back
    const double radius = anatomy.stomach_gas_mm * std::min(1.0, 1.4 * growth);
    const Point bubble = stomach - Point(0.0, 0.34 * width * growth);
    fill_within(tissues, view, within, ellipse(bubble, radius, 0.5 * radius), Tissue::kGas);
  }
  const Point spleen(0.75 * width, 29.0);
  fill_within(tissues, view, within, ellipse(spleen, 30.0 * growth, 52.0 * growth, 0.45), Tissue::kFat);
  fill_within(tissues, view, within, ellipse(spleen, 27.5 * growth, 49.5 * growth, 0.45), Tissue::kSpleen);
}

}  // namespace

void paint_left_liver_lobe(cv::Mat& tissues, const View& view, const Anatomy& anatomy) {
  const double t = anatomy.t_of(view.z_mm);
  const double growth = dome_growth(t, 0.5 * (anatomy.right_dome + anatomy.left_dome) + 0.06, 0.16);
  if (growth <= 0.0) return;
  const cv::Mat cavity = cavity_mask(view, anatomy, t);
  const double width = cavity_half_width(anatomy, t);
  const Point centre(-0.04 * width, 0.56 * cavity_front(anatomy, t));
  const Point half = Point(0.42, 0.34) * (width * std::min(1.1, growth));
  fill_within(tissues, view, cavity, ellipse(centre + Point(3.0, 1.0), half.x, half.y + 1.0, 0.12),
              Tissue::kMediastinalFat);
  fill_within(tissues, view, cavity, ellipse(centre, half.x, half.y, 0.12), Tissue::kLiver);
}

void paint_chest_cavity(cv::Mat& tissues, const View& view, const Anatomy& anatomy) {
  const double t = anatomy.t_of(view.z_mm);
  const CavityMasks masks = masks_of(view, anatomy, t);
  if (t > 0.12) {  // fat lines the cavity
    fill(tissues, view, cavity_outline(anatomy, t, 1.2), Tissue::kFat);
  }
  set(tissues, masks.cavity, Tissue::kLung);
  set(tissues, masks.left_abdomen, Tissue::kFat);
  set(tissues, masks.right_abdomen, Tissue::kLiver);
  if (t > anatomy.left_dome) paint_left_abdomen(tissues, view, anatomy, masks.left_abdomen);
}

}  // namespace pulmo::pipeline::phantom
