#pragma once

#include <opencv2/core/mat.hpp>
#include <vector>

#include "core/support/seed.h"
#include "pipeline/phantom/scanner.h"

namespace pulmo::pipeline::phantom {

/// The lungs of one scan in coarse pixels: where vessels end and lesions may lie. Immutable after construction.
class LungMap {
 public:
  LungMap(const Anatomy& anatomy, const Scan& scan);

  /// Distance from a point of the body frame to the nearest tissue that is not lung, within its slice, mm; 0 outside.
  double depth_mm(const Point3& point) const;

  /// A random point of the lungs, even in volume. `side`: -1 right, +1 left, 0 any.
  Point3 random_point(Random& random, int side) const;

  /// Height of the slice nearest to z_mm.
  double nearest_slice_z(double z_mm) const;

 private:
  std::size_t nearest_slice(double z_mm) const;

  const Anatomy& anatomy_;  ///< outlives the map
  Scan scan_;               ///< with the coarse grid
  std::vector<cv::Mat> depth_;
  std::vector<Point3> right_;
  std::vector<Point3> left_;
};

}  // namespace pulmo::pipeline::phantom
