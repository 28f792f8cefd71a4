#include "core/image/preprocess.h"

#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <string>

#include "core/image/lung_segmentation.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

constexpr int kMinSide = 16;
constexpr double kKernelReach = 4.0;  // standard deviations on each side, SciPy's gaussian_filter(truncate=4)
constexpr double kGrid = 65535.0;

int floor_half(int value) {
  return value >= 0 ? value / 2 : -((1 - value) / 2);
}

// The square of original pixels that becomes the result; it reaches beyond the slice where the slice is smaller.
cv::Rect source_square(int rows, int columns, int crop_px) {
  const int side = crop_px > 0 ? crop_px : std::max(rows, columns);
  return {floor_half(columns - side), floor_half(rows - side), side, side};
}

void check_size(int rows, int columns) {
  if (rows < kMinSide || columns < kMinSide) {
    throw InvalidInput("too_small", "the picture has " + std::to_string(columns) + " x " + std::to_string(rows) +
                                        " pixels: at least " + std::to_string(kMinSide) + " a side are needed");
  }
}

cv::Mat windowed(const Slice& slice, const PreprocessSpec& spec) {
  double low = 0.0;
  double high = 1.0;
  if (slice.kind == PixelKind::kHounsfield) {
    low = spec.window_low_hu;
    high = spec.window_high_hu;
  }
  cv::Mat image;
  slice.pixels.convertTo(image, CV_32F, 1.0 / (high - low), -low / (high - low));
  cv::min(image, 1.0, image);
  cv::max(image, 0.0, image);
  return image;
}

cv::Mat smoothed(const cv::Mat& image, double sigma_px) {
  if (sigma_px <= 0.0) {
    return image;
  }
  const int reach = static_cast<int>(kKernelReach * sigma_px + 0.5);
  const cv::Mat kernel = cv::getGaussianKernel(2 * reach + 1, sigma_px, CV_32F);
  cv::Mat result;
  cv::sepFilter2D(image, result, CV_32F, kernel, kernel, cv::Point(-1, -1), 0.0, cv::BORDER_REFLECT);
  return result;
}

// The part of the picture under the square, its values brought to [0, 1], on a black square.
cv::Mat normalised_square(const cv::Mat& image, const cv::Rect& square) {
  const cv::Rect inside = square & cv::Rect(0, 0, image.cols, image.rows);
  double low = 0.0;
  double high = 0.0;
  cv::minMaxLoc(image(inside), &low, &high);
  if (!(high > low)) {
    throw InvalidInput("constant_image", "the picture has one value everywhere: it shows nothing");
  }
  cv::Mat result;
  image(inside).convertTo(result, CV_32F, 1.0 / (high - low), -low / (high - low));
  if (inside != square) {
    cv::copyMakeBorder(result, result, inside.y - square.y, square.br().y - inside.br().y, inside.x - square.x,
                       square.br().x - inside.br().x, cv::BORDER_CONSTANT, cv::Scalar(0.0));
  }
  return result;
}

cv::Mat resized(const cv::Mat& square, int size_px) {
  cv::Mat result;
  cv::resize(square, result, cv::Size(size_px, size_px), 0.0, 0.0,
             size_px < square.cols ? cv::INTER_AREA : cv::INTER_LINEAR);
  return result;
}

}  // namespace

PreprocessedSlice preprocess(const Slice& slice, const PreprocessSpec& spec) {
  check_size(slice.pixels.rows, slice.pixels.cols);
  if (!cv::checkRange(slice.pixels)) {
    throw InvalidInput("not_finite", "the picture holds values that are not numbers");
  }
  const cv::Rect square = source_square(slice.pixels.rows, slice.pixels.cols, spec.crop_px);
  cv::Mat image =
      resized(normalised_square(smoothed(windowed(slice, spec), spec.gaussian_sigma_px), square), spec.size_px);
  PreprocessedSlice result;
  result.kind = slice.kind;
  result.lungs = cv::Mat::ones(image.size(), CV_8UC1);
  result.lung_fraction = 1.0;
  if (spec.mask == LungMasking::kLungs) {
    result.lungs = segment_lungs(image, spec.threshold);
    result.lung_fraction = static_cast<double>(cv::countNonZero(result.lungs)) / static_cast<double>(image.total());
    if (result.lung_fraction <= 0.0 || result.lung_fraction < spec.min_lung_fraction) {
      throw InvalidInput("no_lung", "no lung found in the picture (" + std::to_string(result.lung_fraction * 100.0) +
                                        " % of it): post an axial chest CT slice through the lungs");
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
  const cv::Rect inside = square & cv::Rect(0, 0, mask.cols, mask.rows);
  cv::Mat real = cv::Mat::zeros(square.size(), CV_32FC1);
  cv::Mat set = mask(inside) != 0;
  set.convertTo(real(inside - square.tl()), CV_32F, 1.0 / 255.0);
  cv::Mat result = resized(real, spec.size_px) >= 0.5;
  return result / 255;
}

}  // namespace pulmo
