#pragma once

#include <opencv2/core/mat.hpp>

#include "core/support/seed.h"

namespace pulmo::pipeline::phantom {

/// White Gaussian noise, (S,S) CV_32FC1, mean 0 and deviation 1.
cv::Mat white_noise(Random& random, int side_px);

/// Gaussian filter that wraps around, so that the result tiles the plane.
cv::Mat blur_wrapped(const cv::Mat& tile, double sigma_x_px, double sigma_y_px);

/// Shifts and scales to mean 0 and deviation 1.
void standardise(cv::Mat& tile);

/// The tile moved by whole pixels, wrapping around.
cv::Mat rolled(const cv::Mat& tile, int right_px, int down_px);

/// The tile moved by a random amount.
cv::Mat rolled(const cv::Mat& tile, Random& random);

}  // namespace pulmo::pipeline::phantom
