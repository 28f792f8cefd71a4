#include <gtest/gtest.h>

#include <opencv2/imgproc.hpp>

#include "pipeline/phantom/slice_renderer.h"
#include "pipeline/phantom/texture.h"

namespace pulmo::pipeline::phantom {
namespace {

TEST(NoiseLevel, GrowsWithTheTissueThatRaysCross) {
  cv::Mat thin(128, 128, CV_32FC1, cv::Scalar(-1000));
  cv::Mat thick = thin.clone();
  cv::circle(thin, {64, 64}, 30, cv::Scalar(0), cv::FILLED);
  cv::circle(thick, {64, 64}, 55, cv::Scalar(0), cv::FILLED);
  const float in_thin = noise_level(thin, 3.0, 12.0).deviation.at<float>(64, 64);
  const cv::Mat deviation = noise_level(thick, 3.0, 12.0).deviation;
  EXPECT_GT(deviation.at<float>(64, 64), 1.5F * in_thin);
  EXPECT_GT(deviation.at<float>(64, 64), deviation.at<float>(64, 5));
}

TEST(NoiseLevel, FollowsTheLogarithmOfTheAttenuation) {
  // Homogeneous squares: the variance is exp(0.55 L) up to a factor, L = 0.0193/mm times the side.
  const cv::Mat water(100, 100, CV_32FC1, cv::Scalar(0));
  const double small = static_cast<double>(noise_level(water, 1.0, 10.0).deviation.at<float>(50, 50));
  const double large = static_cast<double>(noise_level(water, 2.0, 10.0).deviation.at<float>(50, 50));
  EXPECT_NEAR(large / small, std::exp(0.5 * 0.55 * 0.0193 * 100.0), 1e-3);
}

TEST(SliceRenderer, NoiseInSoftTissueIsOfTheScannersSize) {
  for (int index = 0; index < 3; ++index) {
    const Patient patient = make_patient(33, index, 512, 12);
    const SliceRenderer renderer(patient);
    const cv::Mat noise = renderer.render(5) - renderer.expose(5);
    cv::Scalar mean;
    cv::Scalar deviation;
    const cv::Mat heart = noise(cv::Rect(256, 240, 24, 24));
    cv::meanStdDev(heart - cv::mean(heart), mean, deviation);
    EXPECT_GT(deviation[0], 0.4 * patient.scanner.noise_hu) << patient.scanner.model;
    EXPECT_LT(deviation[0], 3.0 * patient.scanner.noise_hu) << patient.scanner.model;
  }
}

TEST(SliceRenderer, NeighbouringSlicesHaveDifferentNoise) {
  const Patient patient = make_patient(33, 0, 128, 12);
  const SliceRenderer renderer(patient);
  const cv::Mat first = renderer.render(4) - renderer.expose(4);
  const cv::Mat second = renderer.render(5) - renderer.expose(5);
  const cv::Rect middle(40, 40, 48, 48);
  cv::Mat correlation;
  cv::matchTemplate(first(middle), second(middle), correlation, cv::TM_CCOEFF_NORMED);
  EXPECT_LT(std::abs(correlation.at<float>(0, 0)), 0.5F);
}

TEST(Texture, RolledTilesWrapAround) {
  cv::Mat tile = (cv::Mat_<float>(3, 3) << 1, 2, 3, 4, 5, 6, 7, 8, 9);
  const cv::Mat moved = rolled(tile, 1, -1);
  EXPECT_EQ(moved.at<float>(0, 0), 6.0F);
  EXPECT_EQ(moved.at<float>(2, 1), 1.0F);
}

TEST(Texture, BlurredTilesHaveNoSeam) {
  Random random(1);
  const cv::Mat tile = white_noise(random, 64);
  const cv::Mat blurred = blur_wrapped(tile, 2.0, 2.0);
  const cv::Mat moved_first = blur_wrapped(rolled(tile, 13, 7), 2.0, 2.0);
  EXPECT_LT(cv::norm(rolled(blurred, 13, 7), moved_first, cv::NORM_INF), 1e-5);
}

}  // namespace
}  // namespace pulmo::pipeline::phantom
