#include "core/image/morphology.h"

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

namespace pulmo {
namespace {

constexpr double kSlack = 1e-3;  // distances are square roots of whole numbers, in float
constexpr int kSmallRadius = 4;  // up to here a structuring element is quicker than a distance transform

cv::Mat disk(int radius_px) {
  cv::Mat element(2 * radius_px + 1, 2 * radius_px + 1, CV_8UC1);
  for (int y = -radius_px; y <= radius_px; ++y) {
    for (int x = -radius_px; x <= radius_px; ++x) {
      element.at<std::uint8_t>(y + radius_px, x + radius_px) = x * x + y * y <= radius_px * radius_px ? 1 : 0;
    }
  }
  return element;
}

}  // namespace

cv::Mat depth_of(const cv::Mat& mask) {
  cv::Mat depth;
  cv::distanceTransform(mask, depth, cv::DIST_L2, cv::DIST_MASK_PRECISE);
  return depth;
}

cv::Mat dilate(const cv::Mat& mask, int radius_px) {
  if (radius_px > kSmallRadius) {
    return depth_of(~mask) <= radius_px + kSlack;
  }
  cv::Mat result;
  cv::dilate(mask, result, disk(radius_px));
  return result;
}

cv::Mat erode(const cv::Mat& mask, int radius_px) {
  if (radius_px > kSmallRadius) {
    return depth_of(mask) > radius_px + kSlack;
  }
  cv::Mat result;
  cv::erode(mask, result, disk(radius_px));
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

Components components_of(const cv::Mat& mask, int connectivity) {
  Components result;
  cv::Mat statistics;
  cv::Mat centroids;
  const int count = cv::connectedComponentsWithStats(mask, result.labels, statistics, centroids, connectivity);
  for (int i = 1; i < count; ++i) {
    const int* row = statistics.ptr<int>(i);
    result.parts.push_back(
        {i, row[cv::CC_STAT_AREA],
         cv::Rect(row[cv::CC_STAT_LEFT], row[cv::CC_STAT_TOP], row[cv::CC_STAT_WIDTH], row[cv::CC_STAT_HEIGHT])});
  }
  return result;
}

}  // namespace pulmo
