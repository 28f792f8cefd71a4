#include "pipeline/inspection/outline.h"

#include <cmath>
#include <opencv2/imgproc.hpp>
#include <vector>

namespace pulmo::pipeline {
namespace {

constexpr int kUpscale = 4;       // findContours works on whole pixels: quarters place the line between them
constexpr int kFractionBits = 4;  // of the coordinates that OpenCV draws with

}  // namespace

void draw_outline(cv::Mat& picture, const cv::Mat& mask, const OutlineStyle& style) {
  cv::Mat fine;
  cv::resize(mask, fine, {}, kUpscale, kUpscale, cv::INTER_NEAREST);
  cv::copyMakeBorder(fine, fine, 1, 1, 1, 1, cv::BORDER_CONSTANT, cv::Scalar(0));
  std::vector<std::vector<cv::Point>> contours;
  cv::findContours(fine, contours, cv::RETR_CCOMP, cv::CHAIN_APPROX_SIMPLE, {-1, -1});
  const auto place = [&style](int fine_pixel) {
    const double centre = (fine_pixel + 0.5) * style.scale / kUpscale - 0.5;  // pixel centres at whole numbers
    return static_cast<int>(std::lround(centre * (1 << kFractionBits)));
  };
  for (auto& contour : contours) {
    for (cv::Point& point : contour) point = {place(point.x), place(point.y)};
  }
  cv::polylines(picture, contours, true, style.colour, 1, cv::LINE_AA, kFractionBits);
}

}  // namespace pulmo::pipeline
