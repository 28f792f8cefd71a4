#pragma once

#include <opencv2/core/mat.hpp>

namespace pulmo {

/// Inside core/image only. Shrinks a square picture (S,S) CV_32FC1 to (size_px,size_px): each value is the mean over
/// the area that its pixel covers. Bit for bit what cv::resize() with INTER_AREA gives, in a fifth of the time where S
/// is no multiple of `size_px`. Needs 0 < size_px < S. Pure function.
cv::Mat shrink_by_area(const cv::Mat& square, int size_px);

}  // namespace pulmo
