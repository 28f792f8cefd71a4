#pragma once

#include <algorithm>
#include <cmath>
#include <opencv2/core/mat.hpp>
#include <optional>

#include "pipeline/phantom/geometry.h"
#include "pipeline/phantom/tissue.h"

namespace pulmo::pipeline::phantom {

/// The pixel grid of an axial slice: square pixels, row 0 at the front, column 0 at the patient's right.
struct SliceGrid {
  double first_x_mm = 0.0;  ///< patient coordinates of the centre of pixel (0, 0)
  double first_y_mm = 0.0;
  double spacing_mm = 1.0;
  int side_px = 0;
};

/// How the body lies in the scanner: turned about the long axis, shifted, leaning sideways.
struct Pose {
  double angle_rad = 0.0;
  double shift_x_mm = 0.0;
  double shift_y_mm = 0.0;
  double lean = 0.0;  ///< mm to the left per mm towards the head

  /// Body frame to patient coordinates (the z axis is shared).
  Point to_patient(Point body, double z_mm) const;
  Point to_body(Point patient, double z_mm) const;
};

/// One axial plane through the body, as a picture.
struct View {
  SliceGrid grid;
  Pose pose;
  double z_mm = 0.0;  ///< height of the plane in the body frame

  cv::Point2d to_pixel(Point body, double z) const;
  Point to_body(cv::Point2d pixel) const;
};

/// Fills a polygon of the body frame in a picture of tissues, (S,S) CV_8UC1, or of any 8-bit value.
void fill(cv::Mat& picture, const View& view, const Outline& outline, unsigned char value);
inline void fill(cv::Mat& picture, const View& view, const Outline& outline, Tissue tissue) {
  fill(picture, view, outline, static_cast<unsigned char>(tissue));
}
/// Sets the pixels that a chain of capsules covers, each capsule shrunk by `inset_mm`.
void fill(cv::Mat& picture, const View& view, const std::vector<Capsule>& capsules, double inset_mm, Tissue tissue);

/// The part of a capsule that a plane can meet, in pixels.
struct CapsuleFootprint {
  cv::Rect box;           ///< pixels that may be within reach, inside the picture
  Point3 start;           ///< axis from here (pixels; z relative to the plane and divided by the height)
  Point3 axis;            ///< to here, as a vector
  double inverse_square;  ///< 1 / |axis|^2, 0 for a ball
};
std::optional<CapsuleFootprint> footprint(const View& view, const Capsule& capsule, double margin_mm);

/// Calls visit(row, column, signed distance in mm from the capsule's surface, negative inside) for every pixel that
/// may be nearer than `margin_mm`.
template <typename Visit>
void visit_capsule(const View& view, const Capsule& capsule, double margin_mm, Visit&& visit) {
  const std::optional<CapsuleFootprint> foot = footprint(view, capsule, margin_mm);
  if (!foot) return;
  const double growth = capsule.radius_b - capsule.radius_a;
  for (int row = foot->box.y; row < foot->box.br().y; ++row) {
    for (int column = foot->box.x; column < foot->box.br().x; ++column) {
      const Point3 offset(column - foot->start.x, row - foot->start.y, -foot->start.z);
      const double along = std::clamp(offset.dot(foot->axis) * foot->inverse_square, 0.0, 1.0);
      const Point3 gap = offset - along * foot->axis;
      const double distance = std::sqrt(gap.dot(gap)) * view.grid.spacing_mm;
      visit(row, column, distance - capsule.radius_a - along * growth);
    }
  }
}

}  // namespace pulmo::pipeline::phantom
