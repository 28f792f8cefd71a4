#include "core/image/lung_segmentation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "core/image/morphology.h"
#include "core/image/otsu.h"

namespace pulmo {
namespace {

// Every number of docs/preprocessing.md, "Lung segmentation". Lengths are shares of the picture's side, areas shares
// of its area, so that the result hardly depends on S. They were chosen on LIDC-IDRI-0001 and ten slices of three
// other scanners; a change raises PreprocessSpec::version.
constexpr double kSmallRadius = 0.004;      // opening, the pleura's rim
constexpr double kClosingRadius = 0.08;     // juxtapleural masses up to about 50 mm in a 360 mm field
constexpr double kDeepestCut = 0.04;        // how thick a bridge between two lungs may be
constexpr double kLungShareOfCut = 0.15;    // both sides of a cut are at least this share of the part
constexpr double kSmallestPart = 0.001;     // area
constexpr double kSmallGas = 0.025;         // parts below this area are gas when ...
constexpr double kSmallGasLevel = 0.05;     // ... their 10th percentile is darker than lung
constexpr double kLargeGas = 0.04;          // the same for larger ones,
constexpr double kLargeGasLevel = 0.02;     // by the median: pure air
constexpr double kAirwayLevel = 0.5;        // of the lung's 10th percentile
constexpr double kSmallestAirway = 0.0004;  // area
constexpr double kLargestAirway = 0.006;    // area
constexpr double kAirwayOffMiddle = 0.12;   // length
constexpr double kAirwayWallInner = 0.008;  // length
constexpr double kAirwayWallOuter = 0.016;  // length
constexpr double kAirwayWallLevel = 0.37;   // mean brightness of the wall

// Lengths and areas in pixels of a picture of side S, for code that works on a part of it.
struct Scale {
  int size = 0;

  int radius(double share) const { return std::max(1, static_cast<int>(std::floor(share * size + 0.5))); }
  double share(int area_px) const { return area_px / (static_cast<double>(size) * size); }
};

// The values of the image where the part is, in any order.
std::vector<float> values_in(const cv::Mat& image, const Components& all, const Component& part) {
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(part.area_px));
  for (int y = part.box.y; y < part.box.br().y; ++y) {
    const int* labels = all.labels.ptr<int>(y);
    const float* row = image.ptr<float>(y);
    for (int x = part.box.x; x < part.box.br().x; ++x) {
      if (labels[x] == part.label) {
        values.push_back(row[x]);
      }
    }
  }
  return values;
}

// The value with the given share of the others below it. Only the values near it are put in order.
float rank(const std::vector<float>& values, double share) {
  constexpr int kBins = 1024;  // of [0, 1]
  const auto bin_of = [](float value) {
    return static_cast<std::size_t>(std::clamp(static_cast<int>(value * kBins), 0, kBins - 1));
  };
  std::array<std::size_t, kBins> counts{};
  for (const float value : values) ++counts[bin_of(value)];
  auto at = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1));
  std::size_t bin = 0;
  while (at >= counts[bin]) at -= counts[bin++];
  std::vector<float> near;
  near.reserve(counts[bin]);
  std::copy_if(values.begin(), values.end(), std::back_inserter(near), [&](float v) { return bin_of(v) == bin; });
  const auto place = near.begin() + static_cast<std::ptrdiff_t>(at);
  std::nth_element(near.begin(), place, near.end());
  return *place;
}

double mean_column(const cv::Mat& mask) {
  cv::Mat columns;
  cv::reduce(mask, columns, 0, cv::REDUCE_SUM, CV_64F);
  double weighted = 0.0;
  double total = 0.0;
  for (int x = 0; x < columns.cols; ++x) {
    weighted += columns.at<double>(x) * x;
    total += columns.at<double>(x);
  }
  return total > 0.0 ? weighted / total : 0.0;
}

// Dark pixels with a dark way to the border of the picture: the air around the body, and the table's.
cv::Mat outside_air(const cv::Mat& dark) {
  cv::Mat air;
  cv::copyMakeBorder(dark, air, 1, 1, 1, 1, cv::BORDER_CONSTANT, cv::Scalar(255));
  cv::floodFill(air, cv::Point(0, 0), cv::Scalar(128), nullptr, cv::Scalar(), cv::Scalar(), 4);
  return air(cv::Rect(1, 1, dark.cols, dark.rows)) == 128;
}

bool is_gas(const std::vector<float>& values, double share) {
  return (share < kSmallGas && rank(values, 0.1) < static_cast<float>(kSmallGasLevel)) ||
         (share < kLargeGas && rank(values, 0.5) < static_cast<float>(kLargeGasLevel));
}

// Trachea and main bronchi that leak into a lung: very dark spots with a wall, near the body's middle column.
cv::Mat find_airways(const cv::Mat& dark, const cv::Mat& image, double middle, const Scale& scale) {
  cv::Mat airways = cv::Mat::zeros(dark.size(), CV_8UC1);
  const cv::Mat opened = open(dark, scale.radius(kSmallRadius));
  if (cv::countNonZero(opened) == 0) {
    return airways;
  }
  const Components spots = components_of(opened, 8);
  for (const Component& spot : spots.parts) {
    const double share = scale.share(spot.area_px);
    if (share < kSmallestAirway || share > kLargestAirway) {
      continue;
    }
    const cv::Mat mask = spots.mask(spot);
    const cv::Mat wall = dilate(mask, scale.radius(kAirwayWallOuter)) & ~dilate(mask, scale.radius(kAirwayWallInner));
    if (std::abs(mean_column(mask) - middle) <= kAirwayOffMiddle * scale.size &&
        cv::mean(image, wall)[0] > kAirwayWallLevel) {
      airways |= mask;
    }
  }
  return airways;
}

// One part on both sides of the middle is two lungs that touch: cut where the bridge between them is thinnest.
std::vector<cv::Mat> split_lungs(const cv::Mat& part, double middle, const Scale& scale) {
  const int columns_left = std::clamp(static_cast<int>(std::ceil(middle)), 0, part.cols);
  const int area = cv::countNonZero(part);
  const double left = cv::countNonZero(part.colRange(0, columns_left)) / static_cast<double>(area);
  if (std::min(left, 1.0 - left) < kLungShareOfCut) {
    return {part};
  }
  const cv::Mat depth = depth_of(part);
  for (int r = 1; r <= scale.radius(kDeepestCut); ++r) {
    const Components cores = components_of(depth > r + 1e-3, 8);
    std::vector<Component> by_area = cores.parts;
    std::stable_sort(by_area.begin(), by_area.end(),
                     [](const Component& a, const Component& b) { return a.area_px > b.area_px; });
    if (by_area.size() >= 2 && by_area[1].area_px >= kLungShareOfCut * area) {
      const cv::Mat nearer_first = depth_of(~cores.mask(by_area[0])) <= depth_of(~cores.mask(by_area[1]));
      return {part & nearer_first, part & ~nearer_first};
    }
  }
  return {part};
}

// The lungs of one part of the inner air: whole, with their vessels and nodules.
cv::Mat lungs_of(const cv::Mat& part, double middle, const Scale& scale) {
  cv::Mat lungs = cv::Mat::zeros(part.size(), CV_8UC1);
  const Components pieces = components_of(open(part, scale.radius(kSmallRadius)), 8);
  for (const Component& piece : pieces.parts) {
    if (scale.share(piece.area_px) < kSmallestPart) {
      continue;
    }
    for (const cv::Mat& lung : split_lungs(pieces.mask(piece), middle, scale)) {
      lungs |= fill_holes(close(fill_holes(lung), scale.radius(kClosingRadius)));
    }
  }
  return lungs;
}

// The box with room for everything that is done around a part.
cv::Rect with_margin(const cv::Rect& box, int margin, const cv::Mat& image) {
  const cv::Point corner(margin, margin);
  return cv::Rect(box.tl() - corner, box.br() + corner) & cv::Rect(0, 0, image.cols, image.rows);
}

}  // namespace

cv::Mat segment_lungs(const cv::Mat& normalised, std::optional<double> threshold) {
  const Scale scale{normalised.cols};
  const cv::Mat dark = normalised <= (threshold ? *threshold : otsu_threshold(normalised));
  const cv::Mat outside = outside_air(dark);
  const double middle = mean_column(~outside);
  const Components inner = components_of(dark & ~outside, 4);
  cv::Mat lungs = cv::Mat::zeros(normalised.size(), CV_8UC1);
  cv::Mat gas = cv::Mat::zeros(normalised.size(), CV_8UC1);
  for (const Component& part : inner.parts) {
    const double share = scale.share(part.area_px);
    if (share < kSmallestPart) {
      continue;
    }
    const cv::Rect box = with_margin(part.box, scale.radius(kAirwayWallOuter) + 1, normalised);
    const std::vector<float> values = values_in(normalised, inner, part);
    const cv::Mat mask = inner.mask(part)(box).clone();
    cv::Mat gas_here = gas(box);
    if (is_gas(values, share)) {
      gas_here |= mask;
      continue;
    }
    const cv::Mat image = normalised(box);
    const cv::Mat airways =
        find_airways(mask & (image < kAirwayLevel * rank(values, 0.1)), image, middle - box.x, scale);
    gas_here |= airways;
    cv::Mat lungs_here = lungs(box);
    lungs_here |= lungs_of(mask & ~dilate(airways, scale.radius(kAirwayWallInner)), middle - box.x, scale);
  }
  const int rim = scale.radius(kSmallRadius);
  return (dilate(lungs, rim) & ~outside & ~dilate(gas, rim)) / 255;
}

}  // namespace pulmo
