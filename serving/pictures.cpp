#include "serving/pictures.h"

#include <algorithm>
#include <array>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "core/image/png_picture.h"

namespace pulmo::serving {
namespace {

constexpr double kPictureSide = 512;  // pixels of a picture for people
constexpr double kMostOpaque = 0.75;  // the picture below must stay visible

}  // namespace

Bytes grey_png(const cv::Mat& image, double low, double high) {
  cv::Mat grey;
  const double scale = 255.0 / (high - low);
  image.convertTo(grey, CV_8U, scale, -low * scale);
  const double shrink = kPictureSide / std::max(grey.rows, grey.cols);
  if (shrink < 1.0) cv::resize(grey, grey, {}, shrink, shrink, cv::INTER_AREA);
  return encode_png_picture(grey);
}

Bytes outline_png(const cv::Mat& mask, const cv::Scalar& colour) {
  cv::Mat inner;
  cv::erode(mask, inner, cv::getStructuringElement(cv::MORPH_CROSS, {3, 3}), {-1, -1}, 1, cv::BORDER_CONSTANT,
            cv::Scalar(0));
  cv::Mat picture(mask.size(), CV_8UC4, cv::Scalar(0, 0, 0, 0));
  picture.setTo(colour, mask - inner);
  return encode_png_picture(picture);
}

Bytes heat_png(const cv::Mat& heat, double highest) {
  cv::Mat share;
  heat.convertTo(share, CV_8U, highest > 0.0 ? 255.0 / highest : 0.0);
  cv::Mat colours;
  cv::applyColorMap(share, colours, cv::COLORMAP_INFERNO);
  cv::Mat opacity;
  share.convertTo(opacity, CV_8U, kMostOpaque);
  cv::Mat picture(heat.size(), CV_8UC4);
  const std::array<cv::Mat, 2> parts{colours, opacity};
  const std::array<int, 8> places{0, 0, 1, 1, 2, 2, 3, 3};
  cv::mixChannels(parts.data(), parts.size(), &picture, 1, places.data(), 4);
  return encode_png_picture(picture);
}

}  // namespace pulmo::serving
