#pragma once

#include <opencv2/core/mat.hpp>
#include <string>

namespace pulmo {

/// N batch, C channels, D slices, H rows, W columns, K classes; row-major throughout.

enum class PixelKind {
  kHounsfield,  ///< pixels are HU, from DICOM or from pictures with a stated intercept
  kGrey,        ///< pixels are a picture's grey values scaled to [0, 1]; absolute HU is unknown
};

/// "hounsfield" or "grey".
const char* to_string(PixelKind kind);

/// One axial slice.
struct Slice {
  cv::Mat pixels;  ///< (H,W) CV_32FC1: HU, or grey in [0, 1]
  PixelKind kind = PixelKind::kHounsfield;
  double row_spacing_mm = 0.0;     ///< distance between rows; 0 when unknown
  double column_spacing_mm = 0.0;  ///< distance between columns; 0 when unknown
};

}  // namespace pulmo
