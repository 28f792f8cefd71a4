#pragma once

#include <opencv2/core/mat.hpp>
#include <vector>

namespace pulmo::pipeline {

/// Sets to `value` the pixels of `mask` (CV_8UC1, its pixel (0,0) lies at `origin` of the image) that the closed
/// contour encloses: strictly inside by the even-odd rule, pixel centres at whole numbers. Pixels on the contour itself
/// are not part of what it encloses, as LIDC draws it around the outside. An open contour is closed; one of fewer than
/// three points encloses nothing. Exact: integer arithmetic.
void fill_inside(const std::vector<cv::Point>& contour, cv::Point origin, unsigned char value, cv::Mat& mask);

/// The same including the pixels on the contour.
void fill_inside_and_on(const std::vector<cv::Point>& contour, cv::Point origin, unsigned char value, cv::Mat& mask);

}  // namespace pulmo::pipeline
