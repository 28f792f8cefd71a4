#pragma once

#include <opencv2/core/mat.hpp>
#include <vector>

namespace pulmo {

/// Inside core/image only. Binary morphology with Euclidean disks: a pixel belongs to the disk of radius r around
/// another when their centres are at most r apart. Masks are (H,W) CV_8UC1, 0 or 255. What lies beyond the picture
/// counts as unset for dilate() and as set for erode(). Pure functions.
cv::Mat dilate(const cv::Mat& mask, int radius_px);
cv::Mat erode(const cv::Mat& mask, int radius_px);
cv::Mat open(const cv::Mat& mask, int radius_px);
/// Closing on an unbounded plane.
cv::Mat close(const cv::Mat& mask, int radius_px);

/// Adds what `mask` encloses: unset pixels without a 4-connected way to the picture's border.
cv::Mat fill_holes(const cv::Mat& mask);

struct Component {
  int label = 0;  ///< its value in Components::labels
  int area_px = 0;
  cv::Rect box;
};

struct Components {
  cv::Mat labels;                ///< (H,W) CV_32SC1, 0 outside
  std::vector<Component> parts;  ///< in the order of their labels

  cv::Mat mask(const Component& part) const;
};

/// Connected parts; `connectivity` is 4 or 8.
Components components_of(const cv::Mat& mask, int connectivity);

/// Distance of each set pixel to the nearest unset one, (H,W) CV_32FC1; large where there is none.
cv::Mat depth_of(const cv::Mat& mask);

}  // namespace pulmo
