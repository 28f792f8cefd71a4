#pragma once

#include <opencv2/core/mat.hpp>

#include "core/support/bytes.h"

namespace pulmo {

/// Inside core/image only. Unpacks a JPEG of 8-bit samples to its luma (BT.601), (H,W) CV_8UC1; an empty matrix when
/// the data are damaged or of another kind. Unlike OpenCV's decoder it prints nothing, and does not fill damaged parts
/// with grey. The size must have been checked (read_jpeg_header). Thread-safe.
cv::Mat decode_jpeg_picture(ByteView bytes);

}  // namespace pulmo
