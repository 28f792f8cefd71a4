#include "core/image/area_resize.h"

#include <gtest/gtest.h>

#include <opencv2/imgproc.hpp>

#include "core/image/morphology.h"
#include "core/support/seed.h"

namespace pulmo {
namespace {

cv::Mat noise(int side) {
  Random random(derive_seed(1, "noise", 0, 0, static_cast<std::uint64_t>(side)));
  cv::Mat picture(side, side, CV_32FC1);
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) picture.at<float>(y, x) = static_cast<float>(random.uniform());
  }
  return picture;
}

TEST(ShrinkByArea, GivesWhatOpenCvGives) {
  for (const int side : {2, 3, 5, 17, 64, 225, 300, 448, 511, 512, 513, 768, 1000, 2048}) {
    const cv::Mat picture = noise(side);
    for (const int size : {1, 2, 7, 48, 127, 224}) {
      if (size >= side) continue;
      cv::Mat expected;
      cv::resize(picture, expected, {size, size}, 0.0, 0.0, cv::INTER_AREA);
      EXPECT_LT(cv::norm(shrink_by_area(picture, size, {0, size}), expected, cv::NORM_INF), 1e-6)
          << side << " to " << size;
    }
  }
}

TEST(ShrinkByArea, GivesMeansOfTheCoveredAreas) {
  const cv::Mat picture = (cv::Mat_<float>(3, 3) << 1, 2, 3, 4, 5, 6, 7, 8, 9);
  const cv::Mat result = shrink_by_area(picture, 2, {0, 2});  // each covers 1.5 x 1.5 pixels
  EXPECT_NEAR(result.at<float>(0, 0), (1 + 0.5 * 2 + 0.5 * 4 + 0.25 * 5) / 2.25, 1e-6);
  EXPECT_NEAR(result.at<float>(1, 0), (7 + 0.5 * 8 + 0.5 * 4 + 0.25 * 5) / 2.25, 1e-6);
}

TEST(ShrinkByArea, TakesPartsOfAPicture) {
  const cv::Mat picture = noise(300);
  const cv::Rect part(13, 29, 257, 257);
  EXPECT_EQ(cv::norm(shrink_by_area(picture(part), 100, {0, 100}), shrink_by_area(picture(part).clone(), 100, {0, 100}),
                     cv::NORM_INF),
            0.0);
}

TEST(ShrinkByArea, GivesSomeRowsAsItGivesAll) {
  for (const auto& [side, size] : {std::pair{300, 100}, std::pair{300, 127}}) {
    const cv::Mat picture = noise(side);
    const cv::Range rows(17, 40);
    const cv::Mat all = shrink_by_area(picture, size, {0, size});
    EXPECT_EQ(cv::norm(shrink_by_area(picture, size, rows), all.rowRange(rows), cv::NORM_INF), 0.0) << size;
  }
}

/// Dilation from its definition.
cv::Mat dilated(const cv::Mat& mask, int radius) {
  cv::Mat result = cv::Mat::zeros(mask.size(), CV_8UC1);
  for (int y = 0; y < mask.rows; ++y) {
    for (int x = 0; x < mask.cols; ++x) {
      for (int v = 0; v < mask.rows; ++v) {
        for (int u = 0; u < mask.cols; ++u) {
          const bool near = (u - x) * (u - x) + (v - y) * (v - y) <= radius * radius;
          if (mask.at<std::uint8_t>(v, u) != 0 && near) result.at<std::uint8_t>(y, x) = 255;
        }
      }
    }
  }
  return result;
}

TEST(Morphology, DilatesAndErodesByAnExactDisk) {
  for (const double share : {0.0, 0.003, 0.05, 0.9, 1.1}) {
    const cv::Mat mask = noise(41)(cv::Rect(0, 0, 41, 33)) < share;
    for (const int radius : {1, 2, 3, 4, 5, 9, 18, 60}) {
      EXPECT_EQ(cv::norm(dilate(mask, radius), dilated(mask, radius), cv::NORM_INF), 0.0) << share << " " << radius;
      EXPECT_EQ(cv::norm(erode(mask, radius), ~dilated(~mask, radius), cv::NORM_INF), 0.0) << share << " " << radius;
    }
  }
}

TEST(Morphology, KnowsDisksLargerThanAByteCounts) {
  cv::Mat mask = cv::Mat::zeros(3, 600, CV_8UC1);
  mask.at<std::uint8_t>(1, 0) = 255;
  const cv::Mat result = dilate(mask, 300);
  EXPECT_EQ(cv::countNonZero(result.row(1)), 301);
  EXPECT_EQ(cv::countNonZero(result.row(0)), 300);  // one pixel off the middle row the disk is narrower
}

}  // namespace
}  // namespace pulmo
