#include "pipeline/phantom/geometry.h"

#include <gtest/gtest.h>

#include <cmath>

#include "pipeline/phantom/view.h"

namespace pulmo::pipeline::phantom {
namespace {

View view_64() {
  View view;
  view.grid = {-32.0, -32.0, 1.0, 64};
  return view;
}

TEST(Interpolate, FollowsTheKnotsAndStaysConstantBeyondThem) {
  EXPECT_DOUBLE_EQ(interpolate({{0, 1}, {2, 5}}, -1), 1.0);
  EXPECT_DOUBLE_EQ(interpolate({{0, 1}, {2, 5}}, 0.5), 2.0);
  EXPECT_DOUBLE_EQ(interpolate({{0, 1}, {2, 5}, {3, 5}}, 9), 5.0);
}

TEST(View, PixelsAndBodyAreInverse) {
  View view = view_64();
  view.pose = {0.3, 4.0, -2.0, 0.05};
  view.z_mm = -80.0;
  const Point body = view.to_body({10.0, 20.0});
  const cv::Point2d pixel = view.to_pixel(body, view.z_mm);
  EXPECT_NEAR(pixel.x, 10.0, 1e-9);
  EXPECT_NEAR(pixel.y, 20.0, 1e-9);
}

TEST(VisitCapsule, GivesTheDistanceFromABall) {
  View view = view_64();
  view.z_mm = 3.0;
  const Capsule ball = {{0, 0, 0}, {0, 0, 0}, 5.0, 5.0};
  int inside = 0;
  visit_capsule(view, ball, 0.0, [&](int row, int column, double distance) {
    EXPECT_NEAR(distance, std::sqrt((row - 32.0) * (row - 32.0) + (column - 32.0) * (column - 32.0) + 9.0) - 5.0, 1e-9);
    inside += distance <= 0.0 ? 1 : 0;
  });
  EXPECT_EQ(inside, 49);  // lattice points within 4 of the centre (OEIS A000328)
}

TEST(VisitCapsule, CutsAnObliqueTubeAsAnEllipse) {
  View view;
  view.grid = {-32.0, -32.0, 0.25, 256};
  const Capsule tube = {{-40, 0, -20}, {40, 0, 20}, 4.0, 4.0};  // rises 1 in 2
  double area = 0.0;
  visit_capsule(view, tube, 0.0, [&](int, int, double distance) { area += distance <= 0.0 ? 0.0625 : 0.0; });
  EXPECT_NEAR(area, CV_PI * 16.0 * std::sqrt(5.0), 2.0);
}

TEST(VisitCapsule, SkipsATubeInAnotherPlane) {
  View view = view_64();
  view.z_mm = 50.0;
  visit_capsule(view, {{-10, 0, 0}, {10, 0, 0}, 4.0, 4.0}, 0.0, [](int, int, double) { FAIL(); });
}

TEST(Band, CoversALineToBothSides) {
  cv::Mat picture = cv::Mat::zeros(64, 64, CV_8UC1);
  fill(picture, view_64(), band({{-10, 0}, {10, 0}}, 3.0), static_cast<unsigned char>(1));
  EXPECT_EQ(picture.at<unsigned char>(32 + 2, 32), 1);
  EXPECT_EQ(picture.at<unsigned char>(32 - 2, 32 + 9), 1);
  EXPECT_EQ(picture.at<unsigned char>(32 + 5, 32), 0);
  EXPECT_EQ(picture.at<unsigned char>(32, 32 + 14), 0);
}

}  // namespace
}  // namespace pulmo::pipeline::phantom
