#include "core/image/lung_segmentation.h"

#include <array>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

namespace pulmo {
namespace {

constexpr int kBins = 256;

// Otsu 1979: the threshold between two classes with the largest variance between them; an upper bin edge of 256 bins.
double otsu_threshold(const cv::Mat& image) {
  std::array<double, kBins> histogram{};
  for (int y = 0; y < image.rows; ++y) {
    const float* row = image.ptr<float>(y);
    for (int x = 0; x < image.cols; ++x) {
      ++histogram[static_cast<std::size_t>(std::clamp(static_cast<int>(row[x] * kBins), 0, kBins - 1))];
    }
  }
  double total = 0.0;
  double sum = 0.0;
  for (std::size_t i = 0; i < kBins; ++i) {
    total += histogram[i];
    sum += histogram[i] * static_cast<double>(i);
  }
  double below = 0.0;
  double sum_below = 0.0;
  double best = -1.0;
  std::size_t chosen = kBins / 2;
  for (std::size_t i = 0; i + 1 < kBins; ++i) {
    below += histogram[i];
    sum_below += histogram[i] * static_cast<double>(i);
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
  return static_cast<double>(chosen + 1) / kBins;
}

cv::Mat disk(int radius) {
  return cv::getStructuringElement(cv::MORPH_ELLIPSE, cv::Size(2 * radius + 1, 2 * radius + 1));
}

// 255 where `mask` is set or enclosed by it.
cv::Mat filled(const cv::Mat& mask) {
  std::vector<std::vector<cv::Point>> contours;
  cv::findContours(mask, contours, cv::RETR_EXTERNAL, cv::CHAIN_APPROX_NONE);
  cv::Mat result = cv::Mat::zeros(mask.size(), CV_8UC1);
  cv::drawContours(result, contours, -1, cv::Scalar(255), cv::FILLED);
  return result;
}

cv::Mat largest_part(const cv::Mat& mask) {
  cv::Mat labels;
  cv::Mat statistics;
  cv::Mat centroids;
  const int count = cv::connectedComponentsWithStats(mask, labels, statistics, centroids, 8);
  int best = 0;
  int area = 0;
  for (int i = 1; i < count; ++i) {
    if (statistics.at<int>(i, cv::CC_STAT_AREA) > area) {
      area = statistics.at<int>(i, cv::CC_STAT_AREA);
      best = i;
    }
  }
  return best > 0 ? cv::Mat(labels == best) : cv::Mat(cv::Mat::zeros(mask.size(), CV_8UC1));
}

}  // namespace

cv::Mat segment_lungs(const cv::Mat& normalised, std::optional<double> threshold) {
  const double level = threshold.value_or(otsu_threshold(normalised));
  const cv::Mat tissue = normalised > level;
  cv::Mat body;
  cv::morphologyEx(tissue, body, cv::MORPH_OPEN, disk(2));
  body = filled(largest_part(body));
  cv::Mat air = ~tissue & body;
  cv::morphologyEx(air, air, cv::MORPH_OPEN, disk(1));
  cv::Mat labels;
  cv::Mat statistics;
  cv::Mat centroids;
  const int count = cv::connectedComponentsWithStats(air, labels, statistics, centroids, 8);
  cv::Mat lungs = cv::Mat::zeros(normalised.size(), CV_8UC1);
  for (int i = 1; i < count; ++i) {
    if (statistics.at<int>(i, cv::CC_STAT_AREA) >= static_cast<int>(0.003 * static_cast<double>(normalised.total()))) {
      cv::Mat part = labels == i;
      cv::morphologyEx(part, part, cv::MORPH_CLOSE, disk(normalised.cols / 22));
      lungs |= filled(part) & body;
    }
  }
  return lungs / 255;
}

}  // namespace pulmo
