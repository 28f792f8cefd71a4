#include "pipeline/lidc/contour_mask.h"

#include <gtest/gtest.h>

#include <opencv2/core.hpp>

#include "core/support/seed.h"

namespace pulmo::pipeline {
namespace {

using Contour = std::vector<cv::Point>;

int area_inside(const Contour& contour, cv::Size size = {32, 32}, cv::Point origin = {}) {
  cv::Mat mask = cv::Mat::zeros(size, CV_8UC1);
  fill_inside(contour, origin, 1, mask);
  return cv::countNonZero(mask);
}

TEST(ContourMask, LeavesTheBoundaryPixelsOut) {
  EXPECT_EQ(area_inside({{2, 2}, {6, 2}, {6, 6}, {2, 6}}), 9);
  cv::Mat mask = cv::Mat::zeros(16, 16, CV_8UC1);
  fill_inside_and_on({{2, 2}, {6, 2}, {6, 6}, {2, 6}}, {}, 1, mask);
  EXPECT_EQ(cv::countNonZero(mask), 25);
}

TEST(ContourMask, FindsTheOnePixelInsideTheSmallestRing) {
  cv::Mat mask = cv::Mat::zeros(8, 8, CV_8UC1);
  fill_inside({{3, 2}, {4, 3}, {3, 4}, {2, 3}}, {}, 1, mask);
  EXPECT_EQ(cv::countNonZero(mask), 1);
  EXPECT_EQ(mask.at<unsigned char>(3, 3), 1);
}

TEST(ContourMask, ClosesAnOpenContour) {
  EXPECT_EQ(area_inside({{2, 2}, {6, 2}, {6, 6}, {2, 6}}), area_inside({{2, 2}, {6, 2}, {6, 6}, {2, 6}, {2, 2}}));
}

TEST(ContourMask, FindsNothingInsidePointsAndLines) {
  EXPECT_EQ(area_inside({}), 0);
  EXPECT_EQ(area_inside({{4, 4}}), 0);
  EXPECT_EQ(area_inside({{4, 4}, {9, 9}}), 0);
}

TEST(ContourMask, ClipsToTheMask) {
  EXPECT_EQ(area_inside({{-5, -5}, {3, -5}, {3, 3}, {-5, 3}}), 9);
  EXPECT_EQ(area_inside({{100, 100}, {120, 100}, {120, 120}}), 0);
}

TEST(ContourMask, PlacesTheMaskAtItsOrigin) {
  cv::Mat mask = cv::Mat::zeros(5, 5, CV_8UC1);
  fill_inside({{102, 202}, {106, 202}, {106, 206}, {102, 206}}, {102, 202}, 7, mask);
  EXPECT_EQ(mask.at<unsigned char>(1, 1), 7);
  EXPECT_EQ(mask.at<unsigned char>(0, 0), 0);
  EXPECT_EQ(cv::countNonZero(mask), 9);
}

/// Second implementation: crossings of a ray to the right, with an exact test for pixels on an edge.
bool strictly_inside(const Contour& contour, int x, int y) {
  bool inside = false;
  for (std::size_t i = 0; i < contour.size(); ++i) {
    const cv::Point a = contour[i];
    const cv::Point b = contour[(i + 1) % contour.size()];
    const long cross = static_cast<long>(b.x - a.x) * (y - a.y) - static_cast<long>(b.y - a.y) * (x - a.x);
    if (cross == 0 && std::min(a.x, b.x) <= x && x <= std::max(a.x, b.x) && std::min(a.y, b.y) <= y &&
        y <= std::max(a.y, b.y)) {
      return false;
    }
    if ((a.y > y) != (b.y > y) && (cross > 0) == (b.y > a.y)) inside = !inside;
  }
  return inside;
}

TEST(ContourMask, AgreesWithCountingCrossingsOnSelfCrossingContours) {
  Random random(7);
  for (int round = 0; round < 200; ++round) {
    Contour contour;
    for (int i = 0; i < 9; ++i) {
      contour.emplace_back(static_cast<int>(random.below(20)), static_cast<int>(random.below(20)));
    }
    cv::Mat mask = cv::Mat::zeros(20, 20, CV_8UC1);
    fill_inside(contour, {}, 1, mask);
    for (int y = 0; y < 20; ++y) {
      for (int x = 0; x < 20; ++x) {
        ASSERT_EQ(mask.at<unsigned char>(y, x) == 1, strictly_inside(contour, x, y)) << x << "," << y;
      }
    }
  }
}

}  // namespace
}  // namespace pulmo::pipeline
