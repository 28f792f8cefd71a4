#pragma once

#include <opencv2/core/mat.hpp>

namespace pulmo {

/// Inside core/image only. The threshold of N. Otsu (A threshold selection method from gray-level histograms, 1979)
/// over 256 bins of [0, 1]: an upper bin edge. `image` is CV_32FC1.
double otsu_threshold(const cv::Mat& image);

}  // namespace pulmo
