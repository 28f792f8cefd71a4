#pragma once

#include <cstdint>
#include <opencv2/core/mat.hpp>
#include <vector>

#include "core/image/preprocess.h"
#include "core/image/slice.h"

namespace pulmo::pipeline {

/// A square of `extent_mm` around `centre_px` (pixel centres at whole numbers), cut at whole pixels; where it reaches
/// beyond the slice it holds `outside`. Slices of oblong pixels are resized to square ones (the smaller side). Throws
/// InvalidInput("no_spacing") when the slice does not know its spacing.
cv::Mat cut_patch(const cv::Mat& pixels, const Slice& geometry, cv::Point2d centre_px, double extent_mm,
                  double outside);

/// Where a volume lies in the patient, in the axes of the slices.
struct VolumeGrid {
  cv::Point2d centre_px;   ///< in the slices
  double centre_mm = 0.0;  ///< along the normal
  int side = 0;            ///< voxels, in each direction
  double voxel_mm = 1.0;
  double row_spacing_mm = 0.0;
  double column_spacing_mm = 0.0;

  /// Position of plane `d` along the normal, mm; plane 0 is nearest to the feet.
  double plane_mm(int d) const { return centre_mm + (d - 0.5 * (side - 1)) * voxel_mm; }
};

/// Resamples slices to a cube: linear in the plane and between the two slices on either side of a plane; beyond the
/// slices and the first and last position it is `outside`. `slices` (each (H,W) CV_32FC1) and `positions_mm`
/// (ascending) are those that the planes need. Returns `side` planes of (side,side) CV_32FC1, feet first.
std::vector<cv::Mat> resample_volume(const std::vector<cv::Mat>& slices, const std::vector<double>& positions_mm,
                                     const VolumeGrid& grid, double outside);

/// Counting masks ((H,W) CV_8UC1) on the grid, side^3 values: at each level k the space of "at least k" is resampled as
/// above and set where at least half is.
std::vector<std::uint8_t> resampled_counts(const std::vector<cv::Mat>& counts, const std::vector<double>& positions_mm,
                                           const VolumeGrid& grid);

/// Steps 4 and 7 on a volume: min-max over all planes, rounding. Throws InvalidInput("constant_image").
std::vector<std::uint16_t> normalised_volume(const std::vector<cv::Mat>& planes);

}  // namespace pulmo::pipeline
