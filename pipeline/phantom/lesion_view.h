#pragma once

#include <opencv2/core.hpp>

#include "pipeline/phantom/lesion.h"
#include "pipeline/phantom/view.h"

namespace pulmo::pipeline::phantom {

/// Calls visit(row, column, distance from the surface in mm (negative inside), share of the radius) for the pixels of
/// a plane around a nodule. `hand` adds a reader's bumps to its surface.
template <typename Visit>
void visit_lesion(const View& view, const Lesion& lesion, const std::vector<Bump>& hand, Visit&& visit) {
  const double reach = 1.2 * lesion.reach_mm();
  const double height = view.z_mm - lesion.centre.z;
  if (std::abs(height) > reach || lesion.radius_mm <= 0.0) return;
  const double spacing = view.grid.spacing_mm;
  const cv::Point2d centre = view.to_pixel({lesion.centre.x, lesion.centre.y}, lesion.centre.z);
  const int half = cvCeil(reach / spacing) + 1;
  const cv::Rect box = cv::Rect(cvRound(centre.x) - half, cvRound(centre.y) - half, 2 * half + 1, 2 * half + 1) &
                       cv::Rect(0, 0, view.grid.side_px, view.grid.side_px);
  for (int row = box.y; row < box.br().y; ++row) {
    for (int column = box.x; column < box.br().x; ++column) {
      const Point3 offset((column - centre.x) * spacing, (row - centre.y) * spacing, height);
      const double distance = cv::norm(offset);
      const Point3 direction = distance > 1e-6 ? offset * (1.0 / distance) : Point3(0, 0, 1);
      const double surface = lesion.surface_mm(direction, hand);
      visit(row, column, distance - surface, distance / surface);
    }
  }
}

}  // namespace pulmo::pipeline::phantom
