#include "pipeline/phantom/view.h"

#include <opencv2/imgproc.hpp>

namespace pulmo::pipeline::phantom {

Point Pose::to_patient(Point body, double z_mm) const {
  const double c = std::cos(angle_rad);
  const double s = std::sin(angle_rad);
  return {c * body.x - s * body.y + shift_x_mm + lean * z_mm, s * body.x + c * body.y + shift_y_mm};
}

Point Pose::to_body(Point patient, double z_mm) const {
  const double c = std::cos(angle_rad);
  const double s = std::sin(angle_rad);
  const Point p(patient.x - shift_x_mm - lean * z_mm, patient.y - shift_y_mm);
  return {c * p.x + s * p.y, -s * p.x + c * p.y};
}

cv::Point2d View::to_pixel(Point body, double z) const {
  const Point patient = pose.to_patient(body, z);
  return {(patient.x - grid.first_x_mm) / grid.spacing_mm, (patient.y - grid.first_y_mm) / grid.spacing_mm};
}

Point View::to_body(cv::Point2d pixel) const {
  return pose.to_body({grid.first_x_mm + pixel.x * grid.spacing_mm, grid.first_y_mm + pixel.y * grid.spacing_mm}, z_mm);
}

void fill(cv::Mat& picture, const View& view, const Outline& outline, unsigned char value) {
  constexpr int kFractionBits = 4;  // cv::fillPoly takes fixed-point corners
  std::vector<cv::Point> corners;
  corners.reserve(outline.size());
  for (const Point& point : outline) {
    const cv::Point2d pixel = view.to_pixel(point, view.z_mm) * (1 << kFractionBits);
    corners.emplace_back(cvRound(pixel.x), cvRound(pixel.y));
  }
  cv::fillPoly(picture, corners, cv::Scalar(value), cv::LINE_8, kFractionBits);
}

void fill(cv::Mat& picture, const View& view, const std::vector<Capsule>& capsules, double inset_mm, Tissue tissue) {
  for (const Capsule& capsule : capsules) {
    visit_capsule(view, capsule, 0.0, [&](int row, int column, double distance) {
      if (distance <= -inset_mm) picture.at<unsigned char>(row, column) = static_cast<unsigned char>(tissue);
    });
  }
}

std::optional<CapsuleFootprint> footprint(const View& view, const Capsule& capsule, double margin_mm) {
  const double reach = std::max(capsule.radius_a, capsule.radius_b) + margin_mm;
  const double low = (view.z_mm - reach * capsule.height) - capsule.a.z;
  const double high = (view.z_mm + reach * capsule.height) - capsule.a.z;
  const double rise = capsule.b.z - capsule.a.z;
  double from = 0.0;
  double to = 1.0;
  if (std::abs(rise) < 1e-9) {
    if (low > 0.0 || high < 0.0) return std::nullopt;
  } else {
    from = std::max(from, std::min(low / rise, high / rise));
    to = std::min(to, std::max(low / rise, high / rise));
    if (from > to) return std::nullopt;
  }
  const cv::Point2d a = view.to_pixel({capsule.a.x, capsule.a.y}, capsule.a.z);
  const cv::Point2d b = view.to_pixel({capsule.b.x, capsule.b.y}, capsule.b.z);
  const cv::Point2d p = a + from * (b - a);
  const cv::Point2d q = a + to * (b - a);
  const double border = reach / view.grid.spacing_mm;
  const cv::Point corner(cvFloor(std::min(p.x, q.x) - border), cvFloor(std::min(p.y, q.y) - border));
  const cv::Point end(cvCeil(std::max(p.x, q.x) + border) + 1, cvCeil(std::max(p.y, q.y) + border) + 1);
  const cv::Rect box = cv::Rect(corner, end) & cv::Rect(0, 0, view.grid.side_px, view.grid.side_px);
  if (box.empty()) return std::nullopt;
  const double step = view.grid.spacing_mm * capsule.height;
  const Point3 axis(b.x - a.x, b.y - a.y, rise / step);
  const double square = axis.dot(axis);
  return CapsuleFootprint{box, {a.x, a.y, (capsule.a.z - view.z_mm) / step}, axis, square > 0.0 ? 1.0 / square : 0.0};
}

}  // namespace pulmo::pipeline::phantom
