#include "pipeline/lidc/contour_mask.h"

#include <opencv2/imgproc.hpp>

namespace pulmo::pipeline {
namespace {

/// pointPolygonTest is exact for whole coordinates: above `threshold` is inside (1), 0 is on the contour.
void fill(const std::vector<cv::Point>& contour, cv::Point origin, unsigned char value, double threshold,
          cv::Mat& mask) {
  if (contour.empty()) return;
  const cv::Rect box = (cv::boundingRect(contour) - origin) & cv::Rect(0, 0, mask.cols, mask.rows);
  for (int y = box.y; y < box.y + box.height; ++y) {
    auto* row = mask.ptr<unsigned char>(y);
    for (int x = box.x; x < box.x + box.width; ++x) {
      const cv::Point2f pixel(static_cast<float>(x + origin.x), static_cast<float>(y + origin.y));
      if (cv::pointPolygonTest(contour, pixel, false) > threshold) row[x] = value;
    }
  }
}

}  // namespace

void fill_inside(const std::vector<cv::Point>& contour, cv::Point origin, unsigned char value, cv::Mat& mask) {
  fill(contour, origin, value, 0.5, mask);
}

void fill_inside_and_on(const std::vector<cv::Point>& contour, cv::Point origin, unsigned char value, cv::Mat& mask) {
  fill(contour, origin, value, -0.5, mask);
}

}  // namespace pulmo::pipeline
