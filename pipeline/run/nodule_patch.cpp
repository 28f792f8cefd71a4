#include "pipeline/run/nodule_patch.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "core/support/error.h"

namespace pulmo::pipeline {
namespace {

constexpr double kSameSpacing = 1e-3;  // relative
constexpr double kConstant = 1e-6;     // as in preprocess()

/// Where each voxel of one axis lies between two pixels. OpenCV's own warps would round to 1/32 of a pixel.
struct Tap {
  int pixel = 0;        ///< the lower of the two
  float share = 0.0F;   ///< of the upper
  bool inside = false;  ///< between the centres of the first and the last pixel
};

std::vector<Tap> taps_of(double centre_px, double step_px, int voxels, int pixels) {
  std::vector<Tap> taps;
  for (int i = 0; i < voxels; ++i) {
    const double at = centre_px + (i - 0.5 * (voxels - 1)) * step_px;
    Tap tap;
    tap.inside = at >= 0.0 && at <= pixels - 1.0;
    if (tap.inside) {
      tap.pixel = std::min(static_cast<int>(at), std::max(0, pixels - 2));
      tap.share = static_cast<float>(at - tap.pixel);
    }
    taps.push_back(tap);
  }
  return taps;
}

/// One slice in the plane of the grid.
cv::Mat resample_plane(const cv::Mat& slice, const VolumeGrid& grid, double outside) {
  const auto across = taps_of(grid.centre_px.x, grid.voxel_mm / grid.column_spacing_mm, grid.side, slice.cols);
  const auto down = taps_of(grid.centre_px.y, grid.voxel_mm / grid.row_spacing_mm, grid.side, slice.rows);
  cv::Mat plane(grid.side, grid.side, CV_32FC1, cv::Scalar(outside));
  for (int y = 0; y < grid.side; ++y) {
    const Tap& v = down[static_cast<std::size_t>(y)];
    if (!v.inside) continue;
    const auto* upper = slice.ptr<float>(v.pixel);
    const auto* lower = slice.ptr<float>(std::min(v.pixel + 1, slice.rows - 1));
    for (int x = 0; x < grid.side; ++x) {
      const Tap& h = across[static_cast<std::size_t>(x)];
      if (!h.inside) continue;
      const int next = std::min(h.pixel + 1, slice.cols - 1);
      const float top = upper[h.pixel] + h.share * (upper[next] - upper[h.pixel]);
      const float bottom = lower[h.pixel] + h.share * (lower[next] - lower[h.pixel]);
      plane.at<float>(y, x) = top + v.share * (bottom - top);
    }
  }
  return plane;
}

/// (1 - share) * lower + share * upper. cv::addWeighted() rounds as the processor likes.
cv::Mat between(const cv::Mat& lower, const cv::Mat& upper, float share) {
  cv::Mat plane(lower.size(), CV_32FC1);
  for (int y = 0; y < plane.rows; ++y) {
    const auto *low = lower.ptr<float>(y), *high = upper.ptr<float>(y);
    auto* out = plane.ptr<float>(y);
    for (int x = 0; x < plane.cols; ++x) out[x] = low[x] + share * (high[x] - low[x]);
  }
  return plane;
}

}  // namespace

cv::Mat cut_patch(const cv::Mat& pixels, const Slice& geometry, cv::Point2d centre_px, double extent_mm,
                  double outside) {
  if (!(geometry.row_spacing_mm > 0.0) || !(geometry.column_spacing_mm > 0.0)) {
    throw InvalidInput("no_spacing", "a slice does not say its pixel spacing, a patch in mm cannot be cut");
  }
  const int width = std::max(1, static_cast<int>(std::lround(extent_mm / geometry.column_spacing_mm)));
  const int height = std::max(1, static_cast<int>(std::lround(extent_mm / geometry.row_spacing_mm)));
  const cv::Rect wanted(static_cast<int>(std::lround(centre_px.x - 0.5 * (width - 1))),
                        static_cast<int>(std::lround(centre_px.y - 0.5 * (height - 1))), width, height);
  const cv::Rect inside = wanted & cv::Rect(0, 0, pixels.cols, pixels.rows);
  cv::Mat patch(height, width, pixels.type(), cv::Scalar(outside));
  if (!inside.empty()) pixels(inside).copyTo(patch(inside - wanted.tl()));
  if (std::abs(geometry.row_spacing_mm / geometry.column_spacing_mm - 1.0) < kSameSpacing) return patch;
  const int side = std::max(width, height);
  cv::resize(patch, patch, {side, side}, 0.0, 0.0, pixels.depth() == CV_8U ? cv::INTER_NEAREST : cv::INTER_LINEAR);
  return patch;
}

std::vector<cv::Mat> resample_volume(const std::vector<cv::Mat>& slices, const std::vector<double>& positions_mm,
                                     const VolumeGrid& grid, double outside) {
  std::vector<cv::Mat> resampled;
  for (const cv::Mat& slice : slices) resampled.push_back(resample_plane(slice, grid, outside));
  std::vector<cv::Mat> planes;
  for (int d = 0; d < grid.side; ++d) {
    const double at = grid.plane_mm(d);
    const auto above = std::upper_bound(positions_mm.begin(), positions_mm.end(), at);
    if (above == positions_mm.begin() || (above == positions_mm.end() && at > positions_mm.back())) {
      planes.emplace_back(grid.side, grid.side, CV_32FC1, cv::Scalar(outside));
      continue;
    }
    const auto upper = std::min<std::size_t>(static_cast<std::size_t>(above - positions_mm.begin()), slices.size() - 1);
    const std::size_t lower = static_cast<std::size_t>(above - positions_mm.begin()) - 1;
    const double gap = positions_mm[upper] - positions_mm[lower];
    const double share = gap > 0.0 ? (at - positions_mm[lower]) / gap : 0.0;
    planes.push_back(between(resampled[lower], resampled[upper], static_cast<float>(share)));
  }
  return planes;
}

std::vector<std::uint8_t> resampled_counts(const std::vector<cv::Mat>& counts, const std::vector<double>& positions_mm,
                                           const VolumeGrid& grid) {
  double highest = 0.0;
  for (const cv::Mat& slice : counts) {
    double most = 0.0;
    cv::minMaxLoc(slice, nullptr, &most);
    highest = std::max(highest, most);
  }
  const auto side = static_cast<std::size_t>(grid.side);
  std::vector<std::uint8_t> values(side * side * side, 0);
  for (int level = 1; level <= static_cast<int>(highest); ++level) {
    std::vector<cv::Mat> at_least;
    for (const cv::Mat& slice : counts) {
      cv::Mat binary;
      cv::Mat(slice >= level).convertTo(binary, CV_32F, 1.0 / 255.0);
      at_least.push_back(binary);
    }
    auto value = values.begin();
    for (const cv::Mat& plane : resample_volume(at_least, positions_mm, grid, 0.0)) {
      for (int y = 0; y < plane.rows; ++y) {
        const auto* row = plane.ptr<float>(y);
        for (int x = 0; x < plane.cols; ++x, ++value) {
          if (row[x] >= 0.5F) ++*value;
        }
      }
    }
  }
  return values;
}

std::vector<std::uint16_t> normalised_volume(const std::vector<cv::Mat>& planes) {
  double low = 0.0;
  double high = 0.0;
  for (std::size_t i = 0; i < planes.size(); ++i) {
    double least = 0.0;
    double most = 0.0;
    cv::minMaxLoc(planes[i], &least, &most);
    low = i == 0 ? least : std::min(low, least);
    high = i == 0 ? most : std::max(high, most);
  }
  if (high - low < kConstant) throw InvalidInput("constant_image", "a nodule volume has one grey value throughout");
  std::vector<std::uint16_t> values;
  for (const cv::Mat& plane : planes) {
    for (int y = 0; y < plane.rows; ++y) {
      const auto* row = plane.ptr<float>(y);
      for (int x = 0; x < plane.cols; ++x) {
        const double value = std::clamp((row[x] - low) / (high - low), 0.0, 1.0);
        values.push_back(static_cast<std::uint16_t>(std::nearbyint(value * 65535.0)));
      }
    }
  }
  return values;
}

}  // namespace pulmo::pipeline
