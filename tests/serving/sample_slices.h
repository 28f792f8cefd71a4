#pragma once

#include <cstdint>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <span>
#include <string>
#include <vector>

#include "core/support/bytes.h"

namespace pulmo::serving::testing {

/// A drawn axial chest slice, 8 bit, lung window: air, a body, two lungs, a spine, and a blob when asked for.
inline cv::Mat chest_picture(bool blob = false) {
  cv::Mat picture(256, 256, CV_8UC1, cv::Scalar(5));
  cv::ellipse(picture, {128, 132}, {110, 84}, 0, 0, 360, cv::Scalar(200), cv::FILLED);
  cv::ellipse(picture, {80, 128}, {38, 58}, 0, 0, 360, cv::Scalar(30), cv::FILLED);
  cv::ellipse(picture, {176, 128}, {38, 58}, 0, 0, 360, cv::Scalar(30), cv::FILLED);
  cv::circle(picture, {128, 190}, 14, cv::Scalar(250), cv::FILLED);
  if (blob) cv::circle(picture, {84, 120}, 9, cv::Scalar(190), cv::FILLED);
  return picture;
}

/// Encoded as ".png" or ".jpg".
inline Bytes encoded(const cv::Mat& picture, const std::string& extension = ".png") {
  std::vector<unsigned char> data;
  cv::imencode(extension, picture, data);
  const ByteView view = std::as_bytes(std::span(data));
  return {view.begin(), view.end()};
}

}  // namespace pulmo::serving::testing
