#include "core/image/preprocess.h"

#include <gtest/gtest.h>

#include <limits>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "tests/core/image/chest_slice.h"
#include "tests/core/image/expect_refused.h"

namespace pulmo {
namespace {

using testing::chest_slice;
using testing::refusal_of;

PreprocessSpec unmasked(int size_px = 64, int crop_px = 0) {
  PreprocessSpec spec;
  spec.mask = LungMasking::kNone;
  spec.size_px = size_px;
  spec.crop_px = crop_px;
  return spec;
}

Slice slice_of(const cv::Mat& pixels, PixelKind kind = PixelKind::kHounsfield) {
  Slice slice;
  slice.pixels = pixels;
  slice.kind = kind;
  return slice;
}

// Columns from 0 at the left to 1 at the right.
Slice grey_ramp(int rows, int columns) {
  cv::Mat pixels(rows, columns, CV_32FC1);
  for (int y = 0; y < rows; ++y) {
    for (int x = 0; x < columns; ++x) {
      pixels.at<float>(y, x) = static_cast<float>(x) / static_cast<float>(columns - 1);
    }
  }
  return slice_of(pixels, PixelKind::kGrey);
}

TEST(Preprocess, CutsHounsfieldUnitsToTheWindow) {
  cv::Mat pixels(32, 32, CV_32FC1, cv::Scalar(-300.0));  // the middle of the window
  pixels.rowRange(0, 8).setTo(-3000.0);
  pixels.rowRange(24, 32).setTo(3000.0);
  PreprocessSpec spec = unmasked(32);
  spec.gaussian_sigma_px = 0.0;
  const PreprocessedSlice result = preprocess(slice_of(pixels), spec);
  EXPECT_EQ(result.kind, PixelKind::kHounsfield);
  EXPECT_EQ(result.image.at<std::uint16_t>(0, 0), 0);
  EXPECT_EQ(result.image.at<std::uint16_t>(16, 16), 32768);
  EXPECT_EQ(result.image.at<std::uint16_t>(31, 31), 65535);
}

TEST(Preprocess, SpreadsGreyValuesOverTheWholeRange) {
  Slice slice = grey_ramp(32, 32);
  slice.pixels = slice.pixels * 0.5 + 0.25;
  PreprocessSpec spec = unmasked(32);
  spec.gaussian_sigma_px = 0.0;
  const PreprocessedSlice result = preprocess(slice, spec);
  EXPECT_EQ(result.kind, PixelKind::kGrey);
  for (int x = 0; x < 32; ++x) {
    EXPECT_NEAR(result.image.at<std::uint16_t>(5, x), x * 65535.0 / 31.0, 1.0) << x;
  }
}

TEST(Preprocess, ShrinksByTheMeanOfWhatIsCovered) {
  PreprocessSpec spec = unmasked(16);
  spec.gaussian_sigma_px = 0.0;
  const PreprocessedSlice result = preprocess(grey_ramp(64, 64), spec);
  for (int x = 0; x < 16; ++x) {
    EXPECT_NEAR(result.image.at<std::uint16_t>(7, x), (4.0 * x + 1.5) / 63.0 * 65535.0, 1.0) << x;
  }
}

TEST(Preprocess, GrowsLinearlyBetweenPixelCentres) {
  PreprocessSpec spec = unmasked(32);
  spec.gaussian_sigma_px = 0.0;
  const PreprocessedSlice result = preprocess(grey_ramp(16, 16), spec);
  EXPECT_EQ(result.image.at<std::uint16_t>(3, 0), 0);
  EXPECT_NEAR(result.image.at<std::uint16_t>(3, 1), 0.25 / 15.0 * 65535.0, 1.0);
  EXPECT_NEAR(result.image.at<std::uint16_t>(3, 2), 0.75 / 15.0 * 65535.0, 1.0);
}

TEST(Preprocess, PadsToASquareInsteadOfStretching) {
  Slice slice = grey_ramp(32, 64);
  slice.pixels = slice.pixels * 0.5 + 0.5;
  const PreprocessedSlice result = preprocess(slice, unmasked(64));
  EXPECT_EQ(cv::countNonZero(result.image.rowRange(0, 16)), 0);
  EXPECT_EQ(cv::countNonZero(result.image.rowRange(48, 64)), 0);
  EXPECT_EQ(result.image.at<std::uint16_t>(16, 63), 65535);
  EXPECT_EQ(result.image.at<std::uint16_t>(47, 63), 65535);
}

TEST(Preprocess, CropsTheMiddle) {
  cv::Mat pixels(100, 120, CV_32FC1, cv::Scalar(0.2));
  pixels(cv::Rect(50, 40, 20, 20)).setTo(0.6);
  pixels.at<float>(49, 59) = 0.7F;
  const Slice slice = slice_of(pixels, PixelKind::kGrey);
  PreprocessSpec spec = unmasked(20, 20);
  spec.gaussian_sigma_px = 0.0;
  const PreprocessedSlice result = preprocess(slice, spec);
  EXPECT_EQ(result.image.at<std::uint16_t>(9, 9), 65535);
  EXPECT_EQ(cv::countNonZero(result.image), 1);  // the rest is the crop's minimum
}

TEST(Preprocess, CropLargerThanThePictureKeepsItsScale) {
  const PreprocessedSlice result = preprocess(grey_ramp(32, 32), unmasked(64, 64));
  EXPECT_EQ(cv::countNonZero(result.image.colRange(0, 16)), 0);
  EXPECT_GT(result.image.at<std::uint16_t>(32, 47), 60000);
  EXPECT_EQ(result.image.at<std::uint16_t>(32, 48), 0);
}

TEST(Preprocess, KeepsOnlyTheLungs) {
  PreprocessSpec spec;
  const PreprocessedSlice masked = preprocess(chest_slice(), spec);
  spec.mask = LungMasking::kNone;
  const PreprocessedSlice whole = preprocess(chest_slice(), spec);
  EXPECT_GT(masked.lung_fraction, 0.1);
  EXPECT_LT(masked.lung_fraction, 0.3);
  EXPECT_DOUBLE_EQ(masked.lung_fraction, cv::countNonZero(masked.lungs) / (224.0 * 224.0));
  EXPECT_EQ(cv::norm(masked.image, cv::NORM_INF, masked.lungs == 0), 0.0);
  EXPECT_EQ(cv::norm(masked.image, whole.image, cv::NORM_INF, masked.lungs), 0.0);
  EXPECT_NEAR(masked.mean_intensity, 0.15, 0.05);
  EXPECT_EQ(whole.lung_fraction, 1.0);
  EXPECT_EQ(cv::countNonZero(whole.lungs), 224 * 224);
}

TEST(Preprocess, RefusesSlicesWithoutEnoughLung) {
  EXPECT_EQ(refusal_of([] { preprocess(chest_slice({.lungs = false}), PreprocessSpec{}); }), "no_lung");
  PreprocessSpec strict;
  strict.min_lung_fraction = 0.5;
  EXPECT_EQ(refusal_of([&] { preprocess(chest_slice(), strict); }), "no_lung");
}

TEST(Preprocess, RefusesConstantPictures) {
  for (const double value : {-1000.0, 0.0, 70000.0}) {
    const Slice slice = slice_of(cv::Mat(64, 64, CV_32FC1, cv::Scalar(value)));
    EXPECT_EQ(refusal_of([&] { preprocess(slice, PreprocessSpec{}); }), "constant_image") << value;
  }
  const Slice beyond_window = slice_of(grey_ramp(64, 64).pixels * 500.0 + 2000.0);
  EXPECT_EQ(refusal_of([&] { preprocess(beyond_window, unmasked()); }), "constant_image");
}

TEST(Preprocess, RefusesSmallPictures) {
  EXPECT_EQ(refusal_of([] { preprocess(grey_ramp(15, 200), unmasked()); }), "too_small");
  EXPECT_EQ(refusal_of([] { preprocess(grey_ramp(200, 15), unmasked()); }), "too_small");
  EXPECT_EQ(refusal_of([] { preprocess(Slice{}, unmasked()); }), "too_small");
  EXPECT_EQ(refusal_of([] { preprocess(grey_ramp(16, 16), unmasked()); }), "");
}

TEST(Preprocess, RefusesValuesThatAreNoNumbers) {
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Slice slice = grey_ramp(64, 64);
    slice.pixels.at<float>(63, 63) = value;
    EXPECT_EQ(refusal_of([&] { preprocess(slice, unmasked()); }), "not_finite");
  }
}

TEST(Preprocess, LeavesTheSliceAsItWas) {
  const Slice slice = chest_slice();
  const cv::Mat before = slice.pixels.clone();
  preprocess(slice, PreprocessSpec{});
  EXPECT_EQ(cv::norm(slice.pixels, before, cv::NORM_INF), 0.0);
}

TEST(Preprocess, ReadsPartsOfLargerPictures) {
  const Slice whole = chest_slice({.rows = 300, .columns = 300});
  const Slice part = slice_of(whole.pixels(cv::Rect(20, 30, 200, 180)));
  const Slice copy = slice_of(part.pixels.clone());
  EXPECT_EQ(cv::norm(preprocess(part, unmasked()).image, preprocess(copy, unmasked()).image, cv::NORM_INF), 0.0);
}

TEST(PixelMapping, SaysWhereAPointGoes) {
  for (const auto& [rows, columns, crop] : {std::tuple{200, 200, 0}, {120, 200, 0}, {201, 150, 0}, {200, 220, 60}}) {
    cv::Mat pixels = cv::Mat::zeros(rows, columns, CV_32FC1);
    const cv::Point at(columns / 2 + 7, rows / 2 - 9);
    cv::circle(pixels, at, 4, cv::Scalar(1.0), cv::FILLED);
    const PreprocessSpec spec = unmasked(224, crop);
    const PreprocessedSlice result = preprocess(slice_of(pixels, PixelKind::kGrey), spec);
    const cv::Moments moments = cv::moments(result.image);
    const PixelMapping mapping = pixel_mapping(rows, columns, spec);
    EXPECT_NEAR(moments.m10 / moments.m00, mapping.scale_x * at.x + mapping.offset_x, 0.05) << rows << " " << columns;
    EXPECT_NEAR(moments.m01 / moments.m00, mapping.scale_y * at.y + mapping.offset_y, 0.05) << rows << " " << columns;
  }
}

TEST(PreprocessMask, LiesOnThePictureItBelongsTo) {
  for (const auto& [rows, columns, crop, size] :
       {std::tuple{256, 256, 0, 224}, {180, 256, 0, 64}, {256, 256, 100, 224}, {64, 64, 0, 224}}) {
    cv::Mat mask = cv::Mat::zeros(rows, columns, CV_8UC1);
    cv::circle(mask, cv::Point(columns / 2 + 5, rows / 2 - 4), 15, cv::Scalar(1), cv::FILLED);
    cv::Mat pixels;
    mask.convertTo(pixels, CV_32F);
    PreprocessSpec spec = unmasked(size, crop);
    spec.gaussian_sigma_px = 0.0;
    const PreprocessedSlice picture = preprocess(slice_of(pixels, PixelKind::kGrey), spec);
    const cv::Mat result = preprocess_mask(mask, spec);
    EXPECT_EQ(result.type(), CV_8UC1);
    EXPECT_EQ(cv::countNonZero(result > 1), 0);
    EXPECT_EQ(cv::countNonZero((picture.image >= 32767) / 255 != result), 0) << rows << " " << size;
  }
}

TEST(PreprocessMask, KeepsPixelsCoveredByHalf) {
  cv::Mat mask = cv::Mat::zeros(32, 32, CV_8UC1);
  mask.colRange(0, 9).setTo(255);  // any value but 0 counts
  const cv::Mat result = preprocess_mask(mask, unmasked(16));
  EXPECT_EQ(cv::countNonZero(result), 16 * 5);
}

}  // namespace
}  // namespace pulmo
