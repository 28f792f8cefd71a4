#include "tests/core/image/chest_slice.h"

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "core/support/seed.h"

namespace pulmo::testing {
namespace {

constexpr float kAir = -1000.0F;
constexpr float kLung = -860.0F;
constexpr float kFat = -100.0F;
constexpr float kMuscle = 50.0F;
constexpr float kBone = 500.0F;

struct Canvas {
  cv::Mat image;
  const ChestOptions& options;

  int length(double share) const {
    return static_cast<int>(std::lround(share * std::min(options.rows, options.columns)));
  }
  void ellipse(double x, double y, double radius_x, double radius_y, float hu) {
    cv::ellipse(image, chest_point(options, x, y), cv::Size(length(radius_x), length(radius_y)), 0, 0, 360,
                cv::Scalar(hu), cv::FILLED);
  }
};

void draw_lungs(Canvas& canvas, Random& random) {
  for (const double side : {-1.0, 1.0}) {
    canvas.ellipse(side * kLungX, -0.02, kLungRadiusX, kLungRadiusY, kLung);
    for (int i = 0; i < 25; ++i) {
      const double x = side * kLungX + random.uniform(-0.8, 0.8) * kLungRadiusX;
      canvas.ellipse(x, random.uniform(-0.16, 0.12), 0.006, 0.006, kMuscle);
    }
  }
  if (canvas.options.touching_lungs) {
    canvas.ellipse(0.0, -0.13, 0.12, 0.015, kLung);
  } else {
    canvas.ellipse(0.0, -0.13, 0.022, 0.022, kAir);  // trachea
  }
  canvas.ellipse(0.03, 0.03, 0.09, 0.10, kMuscle);  // heart
}

}  // namespace

cv::Point chest_point(const ChestOptions& options, double x, double y) {
  const double side = std::min(options.rows, options.columns);
  return {static_cast<int>(std::lround(options.columns / 2.0 + x * side)),
          static_cast<int>(std::lround(options.rows / 2.0 + y * side))};
}

Slice chest_slice(const ChestOptions& options) {
  Random random(options.seed);
  Canvas canvas{cv::Mat(options.rows, options.columns, CV_32FC1, cv::Scalar(kAir)), options};
  canvas.ellipse(0.0, 0.0, 0.44, 0.33, kFat);
  canvas.ellipse(0.0, 0.0, 0.41, 0.30, kMuscle);
  if (options.lungs) {
    draw_lungs(canvas, random);
  }
  if (options.bowel_gas) {
    canvas.ellipse(0.1, -0.15, 0.09, 0.07, kAir);
  }
  canvas.ellipse(0.0, 0.2, 0.05, 0.05, kBone);
  for (const double side : {-1.0, 1.0}) {
    canvas.ellipse(side * 0.345, -0.05, 0.012, 0.03, kBone);
  }
  if (options.nodule_radius > 0.0) {
    canvas.ellipse(kNoduleX, 0.0, options.nodule_radius, options.nodule_radius, kMuscle);
  }
  if (options.table) {
    cv::ellipse(canvas.image, chest_point(options, 0.0, 0.1), cv::Size(canvas.length(0.46), canvas.length(0.27)), 0, 20,
                160, cv::Scalar(kMuscle), std::max(1, canvas.length(0.012)));
  }
  for (int y = 0; y < options.rows; ++y) {
    for (int x = 0; x < options.columns; ++x) {
      canvas.image.at<float>(y, x) += static_cast<float>(random.normal(0.0, options.noise_hu));
    }
  }
  Slice slice;
  slice.pixels = canvas.image;
  return slice;
}

}  // namespace pulmo::testing
