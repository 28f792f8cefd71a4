#include "core/image/otsu.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <opencv2/core.hpp>
#include <vector>

#include "core/image/row_kernels.h"

namespace pulmo {
namespace {

constexpr std::size_t kBins = 256;
constexpr std::size_t kLanes = 4;  // histograms side by side: neighbours share a bin, and each would wait for the last
using Histogram = std::array<double, kBins>;

Histogram histogram_of(const cv::Mat& image) {
  std::array<std::array<std::uint32_t, kBins>, kLanes> lanes{};
  std::vector<std::uint8_t> bins(static_cast<std::size_t>(image.cols));
  for (int y = 0; y < image.rows; ++y) {
    row_kernels().to_bins(image.ptr<float>(y), bins.size(), bins.data());
    for (std::size_t x = 0; x < bins.size(); ++x) ++lanes[x % kLanes][bins[x]];
  }
  Histogram counts{};
  for (const auto& lane : lanes)
    std::transform(lane.begin(), lane.end(), counts.begin(), counts.begin(), std::plus<>());
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
