#include "training/evaluation/picture.h"

#include <algorithm>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <stdexcept>
#include <vector>

namespace pulmo::training {

std::string base64(std::span<const std::uint8_t> bytes) {
  constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t block = 0;
    for (std::size_t k = 0; k < 3; ++k) block = block << 8U | (k < count ? bytes[i + k] : 0U);
    for (std::size_t k = 0; k < 4; ++k) text += k <= count ? kDigits[(block >> (18U - 6U * k)) & 63U] : '=';
  }
  return text;
}

std::string png_data_uri(std::span<const std::uint16_t> pixels, std::int64_t height, std::int64_t width,
                         std::int64_t largest_px) {
  cv::Mat image(static_cast<int>(height), static_cast<int>(width), CV_16UC1);
  std::copy_n(pixels.begin(), image.total(), image.ptr<std::uint16_t>());
  const double scale = static_cast<double>(largest_px) / static_cast<double>(std::max(height, width));
  if (scale < 1.0) cv::resize(image, image, {}, scale, scale, cv::INTER_AREA);
  image.convertTo(image, CV_8U, 1.0 / 257.0);
  std::vector<std::uint8_t> png;
  if (!cv::imencode(".png", image, png, {cv::IMWRITE_PNG_COMPRESSION, 9})) {
    throw std::runtime_error("a picture of the report cannot be encoded as PNG");
  }
  return "data:image/png;base64," + base64(png);
}

}  // namespace pulmo::training
