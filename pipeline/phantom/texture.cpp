#include "pipeline/phantom/texture.h"

#include <algorithm>
#include <opencv2/imgproc.hpp>

namespace pulmo::pipeline::phantom {

cv::Mat white_noise(Random& random, int side_px) {
  cv::Mat tile(side_px, side_px, CV_32FC1);
  for (int row = 0; row < side_px; ++row) {
    float* pixels = tile.ptr<float>(row);
    for (int column = 0; column < side_px; ++column) pixels[column] = static_cast<float>(random.normal());
  }
  return tile;
}

cv::Mat blur_wrapped(const cv::Mat& tile, double sigma_x_px, double sigma_y_px) {
  const int border = std::min(tile.rows, cvCeil(4.0 * std::max(sigma_x_px, sigma_y_px)) + 1);
  cv::Mat padded;
  cv::copyMakeBorder(tile, padded, border, border, border, border, cv::BORDER_WRAP);
  cv::GaussianBlur(padded, padded, cv::Size(), std::max(0.05, sigma_x_px), std::max(0.05, sigma_y_px));
  return padded(cv::Rect(border, border, tile.cols, tile.rows)).clone();
}

void standardise(cv::Mat& tile) {
  cv::Scalar mean;
  cv::Scalar deviation;
  cv::meanStdDev(tile, mean, deviation);
  tile = (tile - mean[0]) / std::max(1e-9, deviation[0]);
}

cv::Mat rolled(const cv::Mat& tile, int right_px, int down_px) {
  const int right = ((right_px % tile.cols) + tile.cols) % tile.cols;
  const int down = ((down_px % tile.rows) + tile.rows) % tile.rows;
  cv::Mat result(tile.size(), tile.type());
  for (int row = 0; row < tile.rows; ++row) {
    const float* from = tile.ptr<float>(row);
    float* to = result.ptr<float>((row + down) % tile.rows);
    std::copy(from, from + tile.cols - right, to + right);
    std::copy(from + tile.cols - right, from + tile.cols, to);
  }
  return result;
}

cv::Mat rolled(const cv::Mat& tile, Random& random) {
  const int right = static_cast<int>(random.below(static_cast<std::uint64_t>(tile.cols)));
  const int down = static_cast<int>(random.below(static_cast<std::uint64_t>(tile.rows)));
  return rolled(tile, right, down);
}

}  // namespace pulmo::pipeline::phantom
