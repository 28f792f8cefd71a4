#include "pipeline/run/nodule_patch.h"

#include <gtest/gtest.h>

#include <cmath>
#include <opencv2/core.hpp>

#include "core/support/error.h"

namespace pulmo::pipeline {
namespace {

/// f(x, y, z) = 2x + 3y + 5z in mm: linear resampling gives it back exactly.
double ramp(double x_mm, double y_mm, double z_mm) {
  return 2.0 * x_mm + 3.0 * y_mm + 5.0 * z_mm;
}

cv::Mat ramp_slice(double z_mm, double row_mm, double column_mm) {
  cv::Mat slice(64, 80, CV_32FC1);
  for (int y = 0; y < slice.rows; ++y) {
    for (int x = 0; x < slice.cols; ++x)
      slice.at<float>(y, x) = static_cast<float>(ramp(x * column_mm, y * row_mm, z_mm));
  }
  return slice;
}

Slice geometry(double row_mm, double column_mm) {
  Slice slice;
  slice.row_spacing_mm = row_mm;
  slice.column_spacing_mm = column_mm;
  return slice;
}

TEST(CutPatch, HasTheExtentInMillimetresAroundItsCentre) {
  const cv::Mat patch = cut_patch(ramp_slice(0, 1, 1), geometry(0.5, 0.5), {40.0, 30.0}, 10.5, -1);
  ASSERT_EQ(patch.size(), cv::Size(21, 21));
  EXPECT_EQ(patch.at<float>(10, 10), static_cast<float>(ramp(40, 30, 0)));
  EXPECT_EQ(patch.at<float>(0, 0), static_cast<float>(ramp(30, 20, 0)));
}

TEST(CutPatch, HoldsTheOutsideValueBeyondTheSlice) {
  const cv::Mat patch = cut_patch(ramp_slice(0, 1, 1), geometry(1, 1), {0.0, 63.0}, 21, -7);
  EXPECT_EQ(patch.at<float>(10, 10), static_cast<float>(ramp(0, 63, 0)));
  EXPECT_EQ(patch.at<float>(10, 9), -7.0F);
  EXPECT_EQ(patch.at<float>(11, 10), -7.0F);
  EXPECT_EQ(cut_patch(ramp_slice(0, 1, 1), geometry(1, 1), {500, 500}, 21, -7).at<float>(3, 3), -7.0F);
}

TEST(CutPatch, MakesOblongPixelsSquare) {
  EXPECT_EQ(cut_patch(ramp_slice(0, 1, 1), geometry(1.0, 0.5), {40, 30}, 20, 0).size(), cv::Size(40, 40));
}

TEST(CutPatch, NeedsTheSpacing) {
  EXPECT_THROW(cut_patch(ramp_slice(0, 1, 1), geometry(0, 0), {40, 30}, 20, 0), InvalidInput);
}

VolumeGrid grid_at(double centre_mm) {
  VolumeGrid grid;
  grid.centre_px = {40.25, 31.5};
  grid.centre_mm = centre_mm;
  grid.side = 9;
  grid.row_spacing_mm = 0.8;
  grid.column_spacing_mm = 0.7;
  return grid;
}

TEST(ResampleVolume, IsExactForALinearFieldOnUnevenSlices) {
  const std::vector<double> positions{-10.0, -6.5, -4.0, 0.0, 2.5, 5.0, 9.0};
  std::vector<cv::Mat> slices;
  for (const double z : positions) slices.push_back(ramp_slice(z, 0.8, 0.7));
  const VolumeGrid grid = grid_at(-0.3);
  const auto planes = resample_volume(slices, positions, grid, -1.0);
  ASSERT_EQ(planes.size(), 9U);
  for (int d = 0; d < 9; ++d) {
    for (int y = 0; y < 9; ++y) {
      for (int x = 0; x < 9; ++x) {
        const double expected = ramp(40.25 * 0.7 + x - 4, 31.5 * 0.8 + y - 4, -0.3 + d - 4);
        ASSERT_NEAR(planes[static_cast<std::size_t>(d)].at<float>(y, x), expected, 1e-3) << d << "," << y << "," << x;
      }
    }
  }
}

TEST(ResampleVolume, HoldsTheOutsideValueBeyondTheFirstAndTheLastSlice) {
  const std::vector<double> positions{0.0, 2.0};
  const std::vector<cv::Mat> slices{ramp_slice(0, 0.8, 0.7), ramp_slice(2, 0.8, 0.7)};
  const auto planes = resample_volume(slices, positions, grid_at(0.0), -9.0);
  for (const int d : {0, 3, 7, 8}) EXPECT_EQ(planes[static_cast<std::size_t>(d)].at<float>(4, 4), -9.0F) << d;
  for (const int d : {4, 5, 6}) EXPECT_NE(planes[static_cast<std::size_t>(d)].at<float>(4, 4), -9.0F) << d;
}

TEST(ResampledCounts, AreSetWhereAtLeastHalfIs) {
  cv::Mat counts = cv::Mat::zeros(64, 80, CV_8UC1);
  counts(cv::Rect(36, 28, 9, 8)) = 1;
  counts(cv::Rect(39, 30, 3, 4)) = 3;
  VolumeGrid grid = grid_at(0.0);
  grid.row_spacing_mm = grid.column_spacing_mm = 1.0;
  grid.centre_px = {40, 32};
  const auto values = resampled_counts({counts, counts, cv::Mat::zeros(64, 80, CV_8UC1)}, {-1.0, 1.0, 5.0}, grid);
  const auto at = [&](int d, int y, int x) { return values[static_cast<std::size_t>((d * 9 + y) * 9 + x)]; };
  EXPECT_EQ(at(4, 4, 4), 3);
  EXPECT_EQ(at(4, 4, 0), 1);
  EXPECT_EQ(at(7, 4, 4), 3);  // 3 mm: half way to the empty slice
  EXPECT_EQ(at(8, 4, 4), 0);
  EXPECT_EQ(at(2, 4, 4), 0);  // before the first slice
}

TEST(NormalisedVolume, SpansTheGridFromLeastToMost) {
  cv::Mat a(2, 2, CV_32FC1, cv::Scalar(0.25));
  cv::Mat b(2, 2, CV_32FC1, cv::Scalar(0.75));
  b.at<float>(1, 1) = 0.5F;
  EXPECT_EQ(normalised_volume({a, b}), (std::vector<std::uint16_t>{0, 0, 0, 0, 65535, 65535, 65535, 32768}));
  EXPECT_THROW(normalised_volume({a, a}), InvalidInput);
}

TEST(WindowedAndSmoothed, MapsTheWindowToZeroToOne) {
  PreprocessSpec spec;
  spec.gaussian_sigma_px = 0.0;
  Slice slice;
  slice.pixels = (cv::Mat_<float>(1, 4) << -2000, -1000, -300, 900);
  const cv::Mat values = windowed_and_smoothed(slice, spec);
  EXPECT_FLOAT_EQ(values.at<float>(0, 0), 0.0F);
  EXPECT_FLOAT_EQ(values.at<float>(0, 2), 0.5F);
  EXPECT_FLOAT_EQ(values.at<float>(0, 3), 1.0F);
}

}  // namespace
}  // namespace pulmo::pipeline
