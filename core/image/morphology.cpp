#include "core/image/morphology.h"

#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "core/image/row_kernels.h"

namespace pulmo {
namespace {

constexpr double kSlack = 1e-3;     // distances are square roots of whole numbers, in float
constexpr int kLargestExact = 254;  // column distances are bytes
constexpr int kLanes = kByteLanes;

cv::Mat cross() {
  return cv::getStructuringElement(cv::MORPH_CROSS, {3, 3});
}

int whole_vectors(int count) {
  return (count + kLanes - 1) / kLanes * kLanes;
}

/// `reach` unset pixels on either side of every whole vector of a mask.
cv::Mat widened(const cv::Mat& mask, int reach) {
  const int width = whole_vectors(whole_vectors(mask.cols) + 2 * reach);
  cv::Mat wide;
  cv::copyMakeBorder(mask, wide, 0, 0, reach, width - mask.cols - reach, cv::BORDER_CONSTANT | cv::BORDER_ISOLATED,
                     cv::Scalar(0));
  return wide;
}

/// In place: masks become the distance down or up each column to the nearest set pixel, at most `limit`.
void to_column_distance(cv::Mat& wide, std::uint8_t limit) {
  const auto width = static_cast<std::size_t>(wide.cols);
  const std::vector<std::uint8_t> beyond(width, limit);
  const RowKernels& kernels = row_kernels();
  const std::uint8_t* last = beyond.data();
  for (int y = 0; y < wide.rows; ++y) {
    auto* here = wide.ptr<std::uint8_t>(y);
    kernels.distance_down(last, limit, width, here);
    last = here;
  }
  for (int y = wide.rows - 2; y >= 0; --y) {
    auto* here = wide.ptr<std::uint8_t>(y);
    kernels.distance_up(last, width, here);
    last = here;
  }
}

/// How far a disk reaches up and down at each distance from its middle column.
std::vector<std::uint8_t> disk_heights(int radius_px) {
  std::vector<std::uint8_t> heights;
  for (int x = 0; x <= radius_px; ++x) {
    int y = 0;
    while ((y + 1) * (y + 1) + x * x <= radius_px * radius_px) ++y;
    heights.push_back(static_cast<std::uint8_t>(y));
  }
  return heights;
}

/// Dilation by a disk, exactly: a pixel is set when some column within the radius has a set pixel within the disk's
/// height there.
cv::Mat dilate_by_disk(const cv::Mat& mask, int radius_px) {
  const std::vector<std::uint8_t> heights = disk_heights(radius_px);
  cv::Mat distance = widened(mask, radius_px);
  to_column_distance(distance, static_cast<std::uint8_t>(radius_px + 1));
  cv::Mat result(mask.rows, whole_vectors(mask.cols), CV_8UC1);
  for (int y = 0; y < mask.rows; ++y) {
    row_kernels().within_disk(distance.ptr<std::uint8_t>(y) + radius_px, heights.data(),
                              static_cast<std::size_t>(radius_px), static_cast<std::size_t>(result.cols),
                              result.ptr<std::uint8_t>(y));
  }
  return result.colRange(0, mask.cols).clone();
}

}  // namespace

cv::Mat depth_of(const cv::Mat& mask) {
  cv::Mat depth;
  cv::distanceTransform(mask, depth, cv::DIST_L2, cv::DIST_MASK_PRECISE);
  return depth;
}

cv::Mat dilate(const cv::Mat& mask, int radius_px) {
  if (radius_px > kLargestExact) return depth_of(~mask) <= radius_px + kSlack;
  if (radius_px > 1) return dilate_by_disk(mask, radius_px);
  cv::Mat result;
  cv::dilate(mask, result, cross());
  return result;
}

cv::Mat erode(const cv::Mat& mask, int radius_px) {
  if (radius_px > kLargestExact) return depth_of(mask) > radius_px + kSlack;
  if (radius_px > 1) return ~dilate_by_disk(~mask, radius_px);
  cv::Mat result;
  cv::erode(mask, result, cross());
  return result;
}

cv::Mat open(const cv::Mat& mask, int radius_px) {
  return dilate(erode(mask, radius_px), radius_px);
}

cv::Mat close(const cv::Mat& mask, int radius_px) {
  cv::Mat result = cv::Mat::zeros(mask.size(), CV_8UC1);
  const cv::Rect box = cv::boundingRect(mask);
  if (box.empty()) {
    return result;
  }
  const int reach = radius_px + 1;
  cv::Mat wide;
  cv::copyMakeBorder(mask(box), wide, reach, reach, reach, reach, cv::BORDER_CONSTANT | cv::BORDER_ISOLATED,
                     cv::Scalar(0));
  const cv::Mat closed = erode(dilate(wide, radius_px), radius_px);
  closed(cv::Rect(cv::Point(reach, reach), box.size())).copyTo(result(box));
  return result;
}

cv::Mat fill_holes(const cv::Mat& mask) {
  cv::Mat ground;
  cv::copyMakeBorder(mask, ground, 1, 1, 1, 1, cv::BORDER_CONSTANT, cv::Scalar(0));
  cv::floodFill(ground, cv::Point(0, 0), cv::Scalar(128), nullptr, cv::Scalar(), cv::Scalar(), 4);
  return ground(cv::Rect(1, 1, mask.cols, mask.rows)) != 128;
}

cv::Mat Components::mask(const Component& part) const {
  cv::Mat result = cv::Mat::zeros(labels.size(), CV_8UC1);
  cv::compare(labels(part.box), part.label, result(part.box), cv::CMP_EQ);
  return result;
}

// cv::connectedComponentsWithStats() takes several times as long: it also adds up centroids.
Components components_of(const cv::Mat& mask, int connectivity) {
  Components result;
  const int count = cv::connectedComponents(mask, result.labels, connectivity);
  std::vector<cv::Point> low(static_cast<std::size_t>(count), {mask.cols, mask.rows});
  std::vector<cv::Point> high(static_cast<std::size_t>(count), {-1, -1});
  std::vector<int> areas(static_cast<std::size_t>(count), 0);
  for (int y = 0; y < mask.rows; ++y) {
    const int* row = result.labels.ptr<int>(y);
    for (int x = 0; x < mask.cols; ++x) {
      if (row[x] == 0) continue;
      const int begin = x;
      while (x + 1 < mask.cols && row[x + 1] == row[begin]) ++x;
      const auto label = static_cast<std::size_t>(row[begin]);
      areas[label] += x + 1 - begin;
      low[label] = {std::min(low[label].x, begin), std::min(low[label].y, y)};
      high[label] = {std::max(high[label].x, x), y};
    }
  }
  for (int i = 1; i < count; ++i) {
    const auto label = static_cast<std::size_t>(i);
    result.parts.push_back({i, areas[label], cv::Rect(low[label], high[label] + cv::Point(1, 1))});
  }
  return result;
}

}  // namespace pulmo
