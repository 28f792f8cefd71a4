#pragma once

#include <opencv2/core.hpp>

namespace pulmo::pipeline {

struct OutlineStyle {
  double scale = 1.0;  ///< pixels of the picture for each pixel of the mask
  cv::Scalar colour;   ///< BGR
};

/// Draws where a mask, (H,W) CV_8UC1, ends: an antialiased line along the outer sides of its border pixels, holes
/// included, on a picture that is the mask's area scaled. What lies inside stays visible to the last pixel.
void draw_outline(cv::Mat& picture, const cv::Mat& mask, const OutlineStyle& style);

}  // namespace pulmo::pipeline
