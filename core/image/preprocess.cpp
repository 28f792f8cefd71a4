#include "core/image/preprocess.h"

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <utility>

#include "core/image/area_resize.h"
#include "core/image/gaussian.h"
#include "core/image/lung_segmentation.h"
#include "core/image/row_kernels.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

constexpr int kMinSide = 16;
constexpr double kGrid = 65535.0;
constexpr double kSmallestContrast = 1e-6;  // of the window; below it only the filter's rounding differs
constexpr double kHalf = 0.5 - 1e-6;        // half of an area, in sums of floats

int floor_half(int value) {
  return value >= 0 ? value / 2 : -((1 - value) / 2);
}

// The square of original pixels that becomes the result; it reaches beyond the slice where the slice is smaller.
cv::Rect source_square(int rows, int columns, int crop_px) {
  const int side = crop_px > 0 ? crop_px : std::max(rows, columns);
  return {floor_half(columns - side), floor_half(rows - side), side, side};
}

cv::Rect part_inside(const cv::Rect& square, const cv::Mat& image) {
  return square & cv::Rect(0, 0, image.cols, image.rows);
}

void check_size(int rows, int columns) {
  if (rows < kMinSide || columns < kMinSide) {
    throw InvalidInput("too_small", "the picture has " + std::to_string(columns) + " x " + std::to_string(rows) +
                                        " pixels: at least " + std::to_string(kMinSide) + " a side are needed");
  }
}

// x * scale + shift is 0 at `low` and 1 at `high`.
struct Ramp {
  float scale;
  float shift;
};
Ramp ramp(double low, double high) {
  return {static_cast<float>(1.0 / (high - low)), static_cast<float>(-low / (high - low))};
}

// The picture under the square, with `beyond` where the square reaches over its edge.
cv::Mat cut(const cv::Mat& image, const cv::Rect& square, double beyond) {
  const cv::Rect inside = part_inside(square, image);
  if (inside == square) {
    return image(square);
  }
  cv::Mat result;
  cv::copyMakeBorder(image(inside), result, inside.y - square.y, square.br().y - inside.br().y, inside.x - square.x,
                     square.br().x - inside.br().x, cv::BORDER_CONSTANT | cv::BORDER_ISOLATED, cv::Scalar(beyond));
  return result;
}

// The given rows of the square resized.
cv::Mat resized(const cv::Mat& square, int size_px, const cv::Range& rows) {
  if (size_px < square.cols) {
    return shrink_by_area(square, size_px, rows);
  }
  cv::Mat result;
  cv::resize(square, result, cv::Size(size_px, size_px), 0.0, 0.0, cv::INTER_LINEAR);
  return result.rowRange(rows);
}

// The rows of a square of `side` pixels, resized, that a box of its pixels can reach.
cv::Range rows_reached(const cv::Rect& box, int side, int size_px) {
  const double scale = static_cast<double>(size_px) / side;
  const double reach = std::max(1.0, scale) + 1.0;  // interpolation looks at the neighbour
  return {std::max(0, static_cast<int>(std::floor(box.y * scale - reach))),
          std::min(size_px, static_cast<int>(std::ceil(box.br().y * scale + reach)))};
}

// Lowest and highest value, which are numbers. cv::minMaxLoc() takes several times as long: it also says where.
std::pair<float, float> extremes(const cv::Mat& image) {
  float low = image.at<float>(0, 0);
  float high = low;
  for (int y = 0; y < image.rows; ++y) {
    row_kernels().extremes(image.ptr<float>(y), static_cast<std::size_t>(image.cols), &low, &high);
  }
  return {low, high};
}

// Crop, min-max normalisation and resize. The normalisation is linear, so it is done last, on fewer pixels.
cv::Mat normalised_square(const cv::Mat& image, const cv::Rect& square, int size_px) {
  const auto [lowest, highest] = extremes(image(part_inside(square, image)));
  const double low = lowest;
  const double high = highest;
  if (high - low < kSmallestContrast) {
    throw InvalidInput("constant_image", "the picture has one value everywhere: it shows nothing");
  }
  const cv::Mat from = resized(cut(image, square, low), size_px, {0, size_px});
  const auto [scale, shift] = ramp(low, high);
  cv::Mat result(from.size(), CV_32FC1);
  for (int y = 0; y < from.rows; ++y) {  // cv::Mat::convertTo() rounds as the processor likes
    row_kernels().window(from.ptr<float>(y), scale, shift, static_cast<std::size_t>(from.cols), result.ptr<float>(y));
  }
  return result;
}

}  // namespace

cv::Mat windowed_and_smoothed(const Slice& slice, const PreprocessSpec& spec) {
  const bool hounsfield = slice.kind == PixelKind::kHounsfield;
  const double low = hounsfield ? spec.window_low_hu : 0.0;
  const double high = hounsfield ? spec.window_high_hu : 1.0;
  const Ramp window = ramp(low, high);
  return gaussian_filtered(slice.pixels.size(), spec.gaussian_sigma_px, [&](int y, float* out) {
    const auto width = static_cast<std::size_t>(slice.pixels.cols);
    if (!row_kernels().window(slice.pixels.ptr<float>(y), window.scale, window.shift, width, out)) {
      throw InvalidInput("not_finite", "row " + std::to_string(y) +
                                           " of the picture holds a value that is not a number: export it again");
    }
  });
}

PreprocessedSlice preprocess(const Slice& slice, const PreprocessSpec& spec) {
  check_size(slice.pixels.rows, slice.pixels.cols);
  const cv::Rect square = source_square(slice.pixels.rows, slice.pixels.cols, spec.crop_px);
  cv::Mat image = normalised_square(windowed_and_smoothed(slice, spec), square, spec.size_px);
  PreprocessedSlice result;
  result.kind = slice.kind;
  result.lungs = cv::Mat::ones(image.size(), CV_8UC1);
  result.lung_fraction = 1.0;
  if (spec.mask == LungMasking::kLungs) {
    result.lungs = segment_lungs(image, spec.threshold);
    result.lung_fraction = static_cast<double>(cv::countNonZero(result.lungs)) / static_cast<double>(image.total());
    if (result.lung_fraction <= 0.0 || result.lung_fraction < spec.min_lung_fraction) {
      throw InvalidInput("no_lung", "no lung found (" + std::to_string(result.lung_fraction * 100.0) +
                                        " % of the picture, at least " + std::to_string(spec.min_lung_fraction * 100) +
                                        " % are needed): choose an axial chest CT slice through the lungs");
    }
    image.setTo(0.0, result.lungs == 0);
  }
  image.convertTo(result.image, CV_16U, kGrid);
  result.mean_intensity = cv::mean(result.image, result.lungs)[0] / kGrid;
  return result;
}

PixelMapping pixel_mapping(int rows, int columns, const PreprocessSpec& spec) {
  const cv::Rect square = source_square(rows, columns, spec.crop_px);
  PixelMapping mapping;
  mapping.scale_x = mapping.scale_y = static_cast<double>(spec.size_px) / square.width;
  mapping.offset_x = (0.5 - square.x) * mapping.scale_x - 0.5;
  mapping.offset_y = (0.5 - square.y) * mapping.scale_y - 0.5;
  return mapping;
}

cv::Mat preprocess_mask(const cv::Mat& mask, const PreprocessSpec& spec) {
  const cv::Rect square = source_square(mask.rows, mask.cols, spec.crop_px);
  const cv::Rect box = cv::boundingRect(mask) & square;
  cv::Mat result = cv::Mat::zeros(spec.size_px, spec.size_px, CV_8UC1);
  if (box.empty()) return result;
  cv::Mat set = cv::Mat::zeros(square.size(), CV_32FC1);
  cv::Mat(mask(box) != 0).convertTo(set(box - square.tl()), CV_32F, 1.0 / 255.0);
  const cv::Range rows = rows_reached(box - square.tl(), square.height, spec.size_px);
  result.rowRange(rows) = (resized(set, spec.size_px, rows) >= kHalf) / 255;
  return result;
}

}  // namespace pulmo
