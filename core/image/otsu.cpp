#include "core/image/otsu.h"

#include <algorithm>
#include <array>
#include <opencv2/core.hpp>

namespace pulmo {
namespace {

constexpr std::size_t kBins = 256;
using Histogram = std::array<double, kBins>;

Histogram histogram_of(const cv::Mat& image) {
  Histogram counts{};
  for (int y = 0; y < image.rows; ++y) {
    const float* row = image.ptr<float>(y);
    for (int x = 0; x < image.cols; ++x) {
      const int bin = static_cast<int>(row[x] * static_cast<float>(kBins));
      counts[static_cast<std::size_t>(std::clamp(bin, 0, static_cast<int>(kBins) - 1))] += 1.0;
    }
  }
  return counts;
}

}  // namespace

double otsu_threshold(const cv::Mat& image) {
  const Histogram counts = histogram_of(image);
  double sum = 0.0;
  for (std::size_t i = 0; i < kBins; ++i) {
    sum += counts[i] * static_cast<double>(i);
  }
  const auto total = static_cast<double>(image.total());
  double below = 0.0;
  double sum_below = 0.0;
  double best = 0.0;
  std::size_t chosen = kBins / 2;
  for (std::size_t i = 0; i + 1 < kBins; ++i) {
    below += counts[i];
    sum_below += counts[i] * static_cast<double>(i);
    const double above = total - below;
    if (below <= 0.0 || above <= 0.0) {
      continue;
    }
    const double gap = sum_below / below - (sum - sum_below) / above;
    const double between = below * above * gap * gap;
    if (between > best) {
      best = between;
      chosen = i;
    }
  }
  return static_cast<double>(chosen + 1) / static_cast<double>(kBins);
}

}  // namespace pulmo
