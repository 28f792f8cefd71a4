#include "training/evaluation/picture.h"

#include <algorithm>
#include <opencv2/imgproc.hpp>

#include "core/image/png_picture.h"
#include "core/support/html.h"

namespace pulmo::training {

std::string png_data_uri(std::span<const std::uint16_t> pixels, std::int64_t height, std::int64_t width,
                         std::int64_t largest_px) {
  cv::Mat image(static_cast<int>(height), static_cast<int>(width), CV_16UC1);
  std::copy_n(pixels.begin(), image.total(), image.ptr<std::uint16_t>());
  const double scale = static_cast<double>(largest_px) / static_cast<double>(std::max(height, width));
  if (scale < 1.0) cv::resize(image, image, {}, scale, scale, cv::INTER_AREA);
  image.convertTo(image, CV_8U, 1.0 / 257.0);
  return "data:image/png;base64," + base64(encode_png_picture(image, 9));
}

}  // namespace pulmo::training
