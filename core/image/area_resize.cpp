#include "core/image/area_resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/core/hal/intrin.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "core/image/row_kernels.h"

namespace pulmo {
namespace {

constexpr std::size_t kLanes = 4;  // of a vector of floats
constexpr double kSliver = 1e-3;   // of a pixel: less than that at the edge of an area is not counted

/// The source pixels that one result pixel covers, and the share of each in its mean.
struct Cover {
  int first = 0;
  std::vector<float> shares;
};

/// With the rounding that cv::resize() has.
Cover cover_of(int index, double scale, int side) {
  const double begin = index * scale;
  const double end = begin + scale;
  const double width = std::min(scale, side - begin);
  const int last_whole = std::min(static_cast<int>(std::floor(end)), side - 1);
  const int first_whole = std::min(static_cast<int>(std::ceil(begin)), last_whole);
  Cover cover;
  cover.first = first_whole;
  if (first_whole - begin > kSliver) {
    --cover.first;
    cover.shares.push_back(static_cast<float>((first_whole - begin) / width));
  }
  cover.shares.insert(cover.shares.end(), static_cast<std::size_t>(last_whole - first_whole),
                      static_cast<float>(1.0 / width));
  if (end - last_whole > kSliver) {
    cover.shares.push_back(static_cast<float>(std::min(std::min(end - last_whole, 1.0), width) / width));
  }
  return cover;
}

/// The covers of all result pixels of one axis, as many shares for each, a multiple of four; missing ones are 0.
struct Axis {
  std::size_t taps = 0;
  std::vector<int> first;
  std::vector<float> shares;  ///< (size, taps)

  Axis(int side, int size_px) {
    const double scale = 1.0 / (static_cast<double>(size_px) / side);
    std::vector<Cover> covers;
    for (int i = 0; i < size_px; ++i) {
      covers.push_back(cover_of(i, scale, side));
      taps = std::max(taps, (covers.back().shares.size() + kLanes - 1) / kLanes * kLanes);
    }
    for (Cover& cover : covers) {
      // Shares of 0 must not reach beyond the picture: they come first where they would.
      const auto beyond = std::max<std::ptrdiff_t>(0, cover.first + static_cast<std::ptrdiff_t>(taps) - side);
      cover.shares.insert(cover.shares.begin(), static_cast<std::size_t>(beyond), 0.0F);
      cover.shares.resize(taps, 0.0F);
      first.push_back(cover.first - static_cast<int>(beyond));
      shares.insert(shares.end(), cover.shares.begin(), cover.shares.end());
    }
  }
};

/// Four neighbouring means of a row: their products side by side, summed in the order of the pixels.
cv::v_float32x4 four_means(const float* in, const Axis& axis, std::size_t i) {
  cv::v_float32x4 sum = cv::v_setzero_f32();
  for (std::size_t k = 0; k < axis.taps; k += kLanes) {
    std::array<cv::v_float32x4, kLanes> product;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float* share = axis.shares.data() + (i + lane) * axis.taps + k;
      product[lane] = cv::v_load(in + axis.first[i + lane] + k) * cv::v_load(share);
    }
    std::array<cv::v_float32x4, kLanes> tap;
    cv::v_transpose4x4(product[0], product[1], product[2], product[3], tap[0], tap[1], tap[2], tap[3]);
    for (const cv::v_float32x4& one : tap) sum = sum + one;
  }
  return sum;
}

/// The means along one row.
void shrink_row(const float* in, const Axis& axis, float* out) {
  const std::size_t count = axis.first.size();
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) cv::v_store(out + i, four_means(in, axis, i));
  for (; i < count; ++i) {
    float sum = 0.0F;
    for (std::size_t k = 0; k < axis.taps; ++k) {
      sum += in[static_cast<std::size_t>(axis.first[i]) + k] * axis.shares[i * axis.taps + k];
    }
    out[i] = sum;
  }
}

}  // namespace

cv::Mat shrink_by_area(const cv::Mat& square, int size_px, const cv::Range& rows) {
  const Axis axis(square.cols, size_px);
  if (square.cols % size_px == 0 || static_cast<std::size_t>(square.cols) < axis.taps) {
    cv::Mat result;
    cv::resize(square, result, {size_px, size_px}, 0.0, 0.0, cv::INTER_AREA);
    return result.rowRange(rows);
  }
  cv::Mat result(rows.size(), size_px, CV_32FC1);
  std::vector<float> mean(static_cast<std::size_t>(square.cols));  // of the rows that a result row covers
  for (int y = rows.start; y < rows.end; ++y) {
    std::fill(mean.begin(), mean.end(), 0.0F);
    for (std::size_t k = 0; k < axis.taps; ++k) {
      const float share = axis.shares[static_cast<std::size_t>(y) * axis.taps + k];
      if (share == 0.0F) continue;
      const int source = axis.first[static_cast<std::size_t>(y)] + static_cast<int>(k);
      row_kernels().add_share(square.ptr<float>(source), share, mean.size(), mean.data());
    }
    shrink_row(mean.data(), axis, result.ptr<float>(y - rows.start));
  }
  return result;
}

}  // namespace pulmo
