#pragma once

#include <opencv2/core/types.hpp>

#include "core/image/slice.h"

namespace pulmo::testing {

/// A drawn axial chest slice: body with fat, two lungs with vessels, heart, spine, ribs, trachea and table, in HU.
/// Lengths are shares of the shorter side, from the picture's centre.
struct ChestOptions {
  int rows = 256;
  int columns = 256;
  bool lungs = true;
  bool table = true;
  bool bowel_gas = false;       ///< a bubble of 2 % of the picture in front
  double nodule_radius = 0.0;   ///< a mass grown into the right chest wall; 0: none
  bool touching_lungs = false;  ///< the lungs meet in front of the heart
  double noise_hu = 15.0;
  unsigned seed = 1;
};

constexpr double kLungX = 0.19;  ///< centres of the lungs, left and right of the middle
constexpr double kLungRadiusX = 0.13;
constexpr double kLungRadiusY = 0.21;
constexpr double kNoduleX = -0.315;  ///< centre of the mass

Slice chest_slice(const ChestOptions& options = {});

/// The pixel of a point given in shares from the centre.
cv::Point chest_point(const ChestOptions& options, double x, double y);

}  // namespace pulmo::testing
