#include "core/image/lung_segmentation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "core/image/preprocess.h"
#include "tests/core/image/chest_slice.h"

namespace pulmo {
namespace {

using testing::chest_point;
using testing::chest_slice;
using testing::ChestOptions;

cv::Mat normalised(const ChestOptions& options, int size_px) {
  PreprocessSpec spec;
  spec.mask = LungMasking::kNone;
  spec.size_px = size_px;
  cv::Mat image;
  preprocess(chest_slice(options), spec).image.convertTo(image, CV_32F, 1.0 / 65535.0);
  return image;
}

cv::Mat lungs_of(const ChestOptions& options, int size_px = 224) {
  return segment_lungs(normalised(options, size_px), std::nullopt);
}

double share(const cv::Mat& lungs) {
  return cv::countNonZero(lungs) / static_cast<double>(lungs.total());
}

// The value of a mask at a point given in shares from the centre.
int at(const cv::Mat& lungs, double x, double y) {
  return lungs.at<std::uint8_t>(chest_point({.rows = lungs.rows, .columns = lungs.cols}, x, y));
}

// Two ellipses.
constexpr double kDrawnShare = 2.0 * CV_PI * testing::kLungRadiusX * testing::kLungRadiusY;

TEST(LungSegmentation, FindsBothLungs) {
  const cv::Mat lungs = lungs_of({});
  EXPECT_EQ(lungs.type(), CV_8UC1);
  EXPECT_NEAR(share(lungs), kDrawnShare, 0.1 * kDrawnShare);
  EXPECT_EQ(at(lungs, -testing::kLungX, 0.0), 1);
  EXPECT_EQ(at(lungs, testing::kLungX, 0.0), 1);
  cv::Mat labels;
  EXPECT_EQ(cv::connectedComponents(lungs, labels, 8), 3) << "background and two lungs, without holes or crumbs";
}

TEST(LungSegmentation, LeavesOutTracheaTableAndTheAirAround) {
  const cv::Mat lungs = lungs_of({});
  EXPECT_EQ(at(lungs, 0.0, -0.13), 0);
  EXPECT_EQ(at(lungs, 0.0, 0.35), 0);
  EXPECT_EQ(at(lungs, 0.49, 0.49), 0);
  EXPECT_EQ(at(lungs, 0.0, -0.45), 0);
}

TEST(LungSegmentation, KeepsVessels) {
  const cv::Mat lungs = lungs_of({});
  cv::Mat core;
  cv::erode(lungs, core, cv::Mat::ones(5, 5, CV_8UC1));
  const cv::Mat bright = normalised({}, 224) > 0.5;
  EXPECT_GT(cv::countNonZero(bright & (core == 1)), 20);
}

TEST(LungSegmentation, KeepsAMassGrownIntoTheChestWall) {
  for (const double radius : {0.02, 0.035, 0.05}) {
    const cv::Mat lungs = lungs_of({.nodule_radius = radius});
    for (double angle = -1.0; angle <= 1.0; angle += 0.25) {  // the side that bulges into the lung
      EXPECT_EQ(at(lungs, testing::kNoduleX + 0.95 * radius * std::cos(angle), 0.95 * radius * std::sin(angle)), 1)
          << radius << " " << angle;
    }
  }
}

TEST(LungSegmentation, FindsNoneInTheAbdomen) {
  EXPECT_EQ(cv::countNonZero(lungs_of({.lungs = false})), 0);
  EXPECT_EQ(cv::countNonZero(lungs_of({.lungs = false, .bowel_gas = true})), 0);
}

TEST(LungSegmentation, FindsNoneInPicturesWithoutABody) {
  EXPECT_EQ(cv::countNonZero(segment_lungs(cv::Mat::zeros(224, 224, CV_32FC1), std::nullopt)), 0);
  EXPECT_EQ(cv::countNonZero(segment_lungs(cv::Mat::ones(224, 224, CV_32FC1), std::nullopt)), 0);
}

TEST(LungSegmentation, CutsLungsThatTouchBeforeClosingThem) {
  const cv::Mat lungs = lungs_of({.touching_lungs = true});
  EXPECT_EQ(at(lungs, -testing::kLungX, 0.0), 1);
  EXPECT_EQ(at(lungs, testing::kLungX, 0.0), 1);
  EXPECT_EQ(at(lungs, 0.0, -0.02), 0) << "the mediastinum between them";
  EXPECT_EQ(at(lungs, 0.0, 0.08), 0);
}

TEST(LungSegmentation, HardlyDependsOnTheSizeOfThePicture) {
  const double reference = share(lungs_of({}, 224));
  for (const int size : {160, 320, 512}) {
    EXPECT_NEAR(share(lungs_of({.rows = 512, .columns = 512}, size)), reference, 0.05 * reference) << size;
  }
}

TEST(LungSegmentation, TakesAGivenThreshold) {
  const cv::Mat image = normalised({}, 224);
  EXPECT_EQ(cv::countNonZero(segment_lungs(image, 0.01)), 0);
  const double low = share(segment_lungs(image, 0.3));
  EXPECT_GT(low, 0.5 * kDrawnShare);
  EXPECT_LT(low, share(segment_lungs(image, 0.55)));
}

TEST(LungSegmentation, SurvivesNoise) {
  const cv::Mat lungs = lungs_of({.noise_hu = 80.0, .seed = 5});
  EXPECT_NEAR(share(lungs), kDrawnShare, 0.15 * kDrawnShare);
}

}  // namespace
}  // namespace pulmo
