#pragma once

#include <functional>
#include <opencv2/core/mat.hpp>

namespace pulmo {

/// Inside core/image only. A picture (H,W) through a Gaussian filter: exp(-(x² + y²) / 2σ²) normalised to sum 1, out to
/// floor(4σ + 0.5) pixels, the border pixel repeated beyond the border (dcba|abcd|dcba); CV_32FC1. `read_row(y, out)`
/// writes the W values of row y of the picture, once for each row, in order: the picture need not be there as a whole.
///
cv::Mat gaussian_filtered(cv::Size size, double sigma_px, const std::function<void(int y, float* out)>& read_row);

}  // namespace pulmo
