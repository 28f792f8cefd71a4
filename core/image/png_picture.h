#pragma once

#include <opencv2/core/mat.hpp>

#include "core/support/bytes.h"

namespace pulmo {

/// Unpacks a PNG to (H,W) of 1 or 3 (blue, green, red) channels, CV_8U or CV_16U: fewer bits are stretched to 8, a
/// palette becomes colours, opacity is left out. An empty matrix when the data are damaged. Unlike OpenCV's decoder it
/// prints nothing. The size must have been checked (read_png_header). Thread-safe.
cv::Mat decode_png_picture(ByteView bytes);

/// A PNG of `picture`: (H,W) CV_8U of 1, 3 (blue, green, red) or 4 channels (with opacity). `level`: zlib's, 0 to 9; 1
/// is quick. std::runtime_error when libpng refuses. Thread-safe.
Bytes encode_png_picture(const cv::Mat& picture, int level = 1);

}  // namespace pulmo
