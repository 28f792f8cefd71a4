#include "core/model/features/regions.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <opencv2/imgproc.hpp>
#include <tuple>

namespace pulmo::features {
namespace {

constexpr std::size_t kLungParts = 2;
constexpr std::size_t kSpots = 3;
constexpr int kMinLungPart = 16;  // pixels; smaller crumbs of the mask are no part of a lung
constexpr int kMinSpot = 4;       // pixels; below that shape means nothing

struct Sums {
  double n = 0, x = 0, y = 0, xx = 0, yy = 0, xy = 0, value = 0;
  double nearest = std::numeric_limits<double>::max();  // squared distance to the centre
  float farthest = 0.0F;                                // distance to the outside
};

std::vector<Sums> sum_labels(const cv::Mat& labels, const cv::Mat& image, const cv::Mat& distance, int count) {
  std::vector<Sums> sums(static_cast<std::size_t>(count));
  const double centre = (labels.rows - 1) / 2.0;
  for (int y = 0; y < labels.rows; ++y) {
    const int* label = labels.ptr<int>(y);
    const auto* value = image.ptr<std::uint16_t>(y);
    const float* far = distance.ptr<float>(y);
    for (int x = 0; x < labels.cols; ++x) {
      if (label[x] == 0) continue;
      Sums& s = sums[static_cast<std::size_t>(label[x])];
      s.n += 1;
      s.x += x;
      s.y += y;
      s.xx += static_cast<double>(x) * x;
      s.yy += static_cast<double>(y) * y;
      s.xy += static_cast<double>(x) * y;
      s.value += value[x];
      s.nearest = std::min(s.nearest, (x - centre) * (x - centre) + (y - centre) * (y - centre));
      s.farthest = std::max(s.farthest, far[x]);
    }
  }
  return sums;
}

/// Axes of the ellipse with the region's second moments; 1/12 is the moment of a unit pixel.
Region moments_of(const Sums& s) {
  Region region;
  region.area = s.n;
  const double mean_x = s.x / s.n;
  const double mean_y = s.y / s.n;
  const double xx = s.xx / s.n - mean_x * mean_x + 1.0 / 12.0;
  const double yy = s.yy / s.n - mean_y * mean_y + 1.0 / 12.0;
  const double xy = s.xy / s.n - mean_x * mean_y;
  const double half_gap = std::sqrt((xx - yy) * (xx - yy) + 4.0 * xy * xy) / 2.0;
  const double major = (xx + yy) / 2.0 + half_gap;
  const double minor = (xx + yy) / 2.0 - half_gap;
  region.major_axis = 4.0 * std::sqrt(major);
  region.eccentricity = std::sqrt(std::max(0.0, 1.0 - minor / major));
  region.mean = s.value / s.n / 65535.0;
  region.inscribed_radius = static_cast<double>(s.farthest);
  region.off_centre = std::sqrt(s.nearest);
  return region;
}

/// Area of the convex hull of the pixels' unit squares. The outermost pixels of each row suffice.
double hull_area(const cv::Mat& labels, int label, const cv::Rect& box) {
  std::vector<cv::Point> corners;
  for (int y = box.y; y < box.y + box.height; ++y) {
    const int* row = labels.ptr<int>(y);
    int left = box.x;
    int right = box.x + box.width - 1;
    while (left <= right && row[left] != label) ++left;
    while (right > left && row[right] != label) --right;
    if (left > right) continue;
    for (const int edge : {y, y + 1}) {
      corners.emplace_back(left, edge);
      corners.emplace_back(right + 1, edge);
    }
  }
  std::vector<cv::Point> hull;
  cv::convexHull(corners, hull);
  return cv::contourArea(hull);
}

cv::Rect box_of(const cv::Mat& stats, int label) {
  return {stats.at<int>(label, cv::CC_STAT_LEFT), stats.at<int>(label, cv::CC_STAT_TOP),
          stats.at<int>(label, cv::CC_STAT_WIDTH), stats.at<int>(label, cv::CC_STAT_HEIGHT)};
}

/// Roundness 4 A / (pi major^2): 1 for a disc, small for a line.
double roundness(const Region& region) {
  return 4.0 * region.area / (std::numbers::pi * region.major_axis * region.major_axis);
}

/// Spot number `index`, all 0 when there are not so many.
void add_spot(FeatureList& list, const std::string& name, const Regions& spots, std::size_t index, double side) {
  const bool there = index < spots.found.size();
  const Region spot = there ? spots.found[index] : Region{};
  list.add(name + "area", spot.area / (side * side));
  list.add(name + "eccentricity", spot.eccentricity);
  list.add(name + "roundness", roundness(spot));
  list.add(name + "solidity", there ? solidity_of(spots, spot) : 0.0);
  list.add(name + "radius", spot.inscribed_radius / side);
  list.add(name + "brightness", spot.mean);
}

cv::Mat spots_of(const cv::Mat& image, const cv::Mat& lungs) {
  cv::Mat grey;
  image.convertTo(grey, CV_8U, 1.0 / 256.0, -0.498046875);  // pixel >> 8: conversion rounds, so half a step down
  std::vector<unsigned char> inside;
  inside.reserve(image.total());
  for (int y = 0; y < grey.rows; ++y) {
    for (int x = 0; x < grey.cols; ++x) {
      if (lungs.at<unsigned char>(y, x) != 0) inside.push_back(grey.at<unsigned char>(y, x));
    }
  }
  cv::Mat spots = cv::Mat::zeros(image.size(), CV_8U);
  const auto [darkest, brightest] = std::minmax_element(inside.begin(), inside.end());
  if (inside.empty() || *darkest == *brightest) return spots;
  cv::Mat ignored;
  const double threshold = cv::threshold(inside, ignored, 0.0, 255.0, cv::THRESH_BINARY | cv::THRESH_OTSU);
  cv::Mat(grey > threshold).copyTo(spots, lungs);
  return spots;
}

}  // namespace

Regions find_regions(const cv::Mat& mask, const cv::Mat& image, const RegionQuery& query) {
  Regions regions;
  cv::Mat stats;
  cv::Mat centroids;
  cv::Mat distance = cv::Mat::zeros(mask.size(), CV_32F);
  const int count = cv::connectedComponentsWithStats(mask, regions.labels, stats, centroids, 8, CV_32S);
  if (query.radius) cv::distanceTransform(mask, distance, cv::DIST_L2, cv::DIST_MASK_PRECISE, CV_32F);
  const std::vector<Sums> sums = sum_labels(regions.labels, image, distance, count);
  for (int label = 1; label < count; ++label) {
    const Sums& s = sums[static_cast<std::size_t>(label)];
    if (s.n < query.min_area) continue;
    Region region = moments_of(s);
    region.label = label;
    region.box = box_of(stats, label);
    regions.found.push_back(region);
  }
  std::sort(regions.found.begin(), regions.found.end(),
            [](const Region& a, const Region& b) { return std::tie(a.area, a.mean) > std::tie(b.area, b.mean); });
  return regions;
}

double solidity_of(const Regions& regions, const Region& region) {
  return region.area / hull_area(regions.labels, region.label, region.box);
}

void add_lung_shape(FeatureList& list, const cv::Mat& image, const cv::Mat& lungs) {
  const auto pixels = static_cast<double>(image.total());
  const Regions parts = find_regions(lungs, image, {.min_area = kMinLungPart});
  list.add("lung.area", cv::countNonZero(lungs) / pixels);
  list.add("lung.parts", static_cast<double>(parts.found.size()));
  for (std::size_t i = 0; i < kLungParts; ++i) {
    const bool there = i < parts.found.size();
    const Region part = there ? parts.found[i] : Region{};
    const std::string name = "lung.part" + std::to_string(i + 1) + ".";
    list.add(name + "area", part.area / pixels);
    list.add(name + "eccentricity", part.eccentricity);
    list.add(name + "solidity", there ? solidity_of(parts, part) : 0.0);
    list.add(name + "extent", there ? part.area / part.box.area() : 0.0);
  }
}

void add_bright_spots(FeatureList& list, const cv::Mat& image, const cv::Mat& lungs) {
  const auto side = static_cast<double>(image.rows);
  const cv::Mat mask = spots_of(image, lungs);
  const Regions spots = find_regions(mask, image, {.min_area = kMinSpot, .radius = true});
  const std::vector<Region>& found = spots.found;
  double widest = 0.0;
  for (const Region& spot : found) widest = std::max(widest, spot.inscribed_radius);
  list.add("spots.count", static_cast<double>(found.size()));
  list.add("spots.area", cv::countNonZero(mask) / static_cast<double>(std::max(1, cv::countNonZero(lungs))));
  list.add("spots.widest_radius", widest / side);
  const auto nearer = [](const Region& a, const Region& b) { return a.off_centre < b.off_centre; };
  const auto nearest = std::min_element(found.begin(), found.end(), nearer);
  list.add("spot.centre.distance", nearest == found.end() ? 1.0 : nearest->off_centre / side);
  add_spot(list, "spot.centre.", spots, static_cast<std::size_t>(nearest - found.begin()), side);
  for (std::size_t i = 0; i < kSpots; ++i) add_spot(list, "spot" + std::to_string(i + 1) + ".", spots, i, side);
}

}  // namespace pulmo::features
