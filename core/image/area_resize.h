#pragma once

#include <opencv2/core/mat.hpp>

namespace pulmo {

/// Inside core/image only. The given rows of a square picture (S,S) CV_32FC1 shrunk to (size_px,size_px): each value is
/// the mean over the area that its pixel covers. What cv::resize() with INTER_AREA gives, but for the rounding of sums
/// in another order. Needs 0 < size_px < S, rows within size_px. Pure function.
cv::Mat shrink_by_area(const cv::Mat& square, int size_px, const cv::Range& rows);

}  // namespace pulmo
