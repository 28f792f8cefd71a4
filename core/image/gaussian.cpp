#include "core/image/gaussian.h"

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>
#include <vector>

#include "core/image/row_kernels.h"

namespace pulmo {
namespace {

constexpr double kReach = 4.0;  // standard deviations on each side, as in SciPy's gaussian_filter

/// The middle of the kernel and one side of it.
std::vector<float> half_kernel(double sigma_px) {
  const int reach = static_cast<int>(std::floor(kReach * sigma_px + 0.5));
  std::vector<double> weights{1.0};
  double sum = 1.0;
  for (int k = 1; k <= reach; ++k) {
    weights.push_back(std::exp(-0.5 * k * k / (sigma_px * sigma_px)));
    sum += 2.0 * weights.back();
  }
  std::vector<float> kernel;
  kernel.reserve(weights.size());
  for (const double weight : weights) kernel.push_back(static_cast<float>(weight / sum));
  return kernel;
}

}  // namespace

cv::Mat gaussian_filtered(cv::Size size, double sigma_px, const std::function<void(int y, float* out)>& read_row) {
  const std::vector<float> kernel = half_kernel(sigma_px);
  const int reach = static_cast<int>(kernel.size()) - 1;
  const auto mirrored = [](int at, int length) { return cv::borderInterpolate(at, length, cv::BORDER_REFLECT); };
  const auto sum_up = [&](const float* const* parts, float* out) {
    row_kernels().symmetric_sum(kernel.data(), kernel.size() - 1, parts, static_cast<std::size_t>(size.width), out);
  };
  std::vector<float> padded(static_cast<std::size_t>(size.width + 2 * reach));
  float* row = padded.data() + reach;
  std::vector<const float*> parts;  // the row moved to the left ... to the right
  for (int k = -reach; k <= reach; ++k) parts.push_back(row + k);
  // Of the rows filtered across only those are kept that a row of the result is the sum of: they stay in the cache.
  const int kept = std::min(2 * reach + 1, size.height);
  cv::Mat across(kept, size.width, CV_32FC1);
  std::vector<const float*> rows(parts.size());
  cv::Mat result(size, CV_32FC1);
  for (int y = 0; y < size.height + reach; ++y) {
    if (y < size.height) {
      read_row(y, row);
      for (int k = 1; k <= reach; ++k) {
        row[-k] = row[mirrored(-k, size.width)];
        row[size.width - 1 + k] = row[mirrored(size.width - 1 + k, size.width)];
      }
      sum_up(parts.data(), across.ptr<float>(y % kept));
    }
    const int done = y - reach;
    if (done < 0) continue;
    int at = done - reach;
    for (const float*& part : rows) part = across.ptr<float>(mirrored(at++, size.height) % kept);
    sum_up(rows.data(), result.ptr<float>(done));
  }
  return result;
}

}  // namespace pulmo
