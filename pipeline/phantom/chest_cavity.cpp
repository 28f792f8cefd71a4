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

void paint_abdomen(cv::Mat& tissues, const View& view, const Anatomy& anatomy, const CavityMasks& masks) {
  const double t = anatomy.t_of(view.z_mm);
  const double width = cavity_half_width(anatomy, t);
  set(tissues, masks.left_abdomen, Tissue::kMediastinalFat);
  set(tissues, masks.right_abdomen, Tissue::kLiver);
  const double below = t - anatomy.left_dome;
  if (below <= 0.0) return;
  const double growth = std::sqrt(below / 0.2);
  fill_within(tissues, view, masks.left_abdomen, ellipse({0.74 * width, 34.0}, 30.0 * growth, 48.0 * growth, 0.5),
              Tissue::kSpleen);
  const Point stomach(0.42 * width, -30.0);
  fill_within(tissues, view, masks.left_abdomen, ellipse(stomach, 46.0 * growth, 36.0 * growth, -0.4),
              Tissue::kStomach);
  if (anatomy.stomach_gas_mm > 0.0) {  // gas rises to the front of a patient on his back
    const double radius = anatomy.stomach_gas_mm * growth;
    fill_within(tissues, view, masks.left_abdomen, ellipse(stomach - Point(0.0, 12.0 * growth), radius, 0.55 * radius),
                Tissue::kGas);
  }
  fill_within(tissues, view, masks.left_abdomen,
              ellipse({0.1 * width, -52.0}, 0.42 * width * growth, 30.0 * growth, 0.2), Tissue::kLiver);
}

}  // namespace

void paint_chest_cavity(cv::Mat& tissues, const View& view, const Anatomy& anatomy) {
  const double t = anatomy.t_of(view.z_mm);
  const CavityMasks masks = masks_of(view, anatomy, t);
  if (t > 0.12) {  // fat lines the cavity
    fill(tissues, view, cavity_outline(anatomy, t, 1.2), Tissue::kFat);
  }
  set(tissues, masks.cavity, Tissue::kLung);
  paint_abdomen(tissues, view, anatomy, masks);
}

}  // namespace pulmo::pipeline::phantom
