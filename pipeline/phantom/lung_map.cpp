#include "pipeline/phantom/lung_map.h"

#include <opencv2/imgproc.hpp>

#include "core/support/error.h"
#include "pipeline/phantom/thorax.h"

namespace pulmo::pipeline::phantom {
namespace {

constexpr int kSide = 160;

Scan coarse(Scan scan) {
  scan.grid.side_px = kSide;
  scan.grid.spacing_mm = scan.field_mm / kSide;
  scan.grid.first_x_mm = -0.5 * scan.field_mm + 0.5 * scan.grid.spacing_mm;
  scan.grid.first_y_mm = scan.grid.first_x_mm;
  return scan;
}

}  // namespace

LungMap::LungMap(const Anatomy& anatomy, const Scan& scan) : anatomy_(anatomy), scan_(coarse(scan)) {
  for (std::size_t i = 0; i < scan_.z_mm.size(); ++i) {
    const View view = view_of(anatomy_, scan_, i);
    const cv::Mat lung = paint_tissues(anatomy_, view) == static_cast<int>(Tissue::kLung);
    cv::Mat depth;
    cv::distanceTransform(lung, depth, cv::DIST_L2, cv::DIST_MASK_PRECISE, CV_32F);
    depth_.push_back(depth * scan_.grid.spacing_mm);
    for (int row = 0; row < kSide; ++row) {
      for (int column = 0; column < kSide; ++column) {
        if (depth_.back().at<float>(row, column) < 2.0F) continue;
        const Point p = view.to_body(cv::Point2d(column, row));
        (p.x < 0 ? right_ : left_).emplace_back(p.x, p.y, view.z_mm);
      }
    }
  }
  if (right_.empty() || left_.empty()) throw std::logic_error("the phantom was drawn without a lung");
}

std::size_t LungMap::nearest_slice(double z_mm) const {
  const double steps = (scan_.z_mm.front() - z_mm) / scan_.step_mm;
  return static_cast<std::size_t>(std::clamp(std::lround(steps), 0L, static_cast<long>(scan_.z_mm.size()) - 1));
}

double LungMap::nearest_slice_z(double z_mm) const {
  return scan_.z_mm[nearest_slice(z_mm)];
}

double LungMap::depth_mm(const Point3& point) const {
  const std::size_t slice = nearest_slice(point.z);
  if (std::abs(scan_.z_mm[slice] - point.z) > scan_.step_mm) return 0.0;  // above or below the scan
  const cv::Point2d pixel = view_of(anatomy_, scan_, slice).to_pixel({point.x, point.y}, point.z);
  const cv::Point at(cvRound(pixel.x), cvRound(pixel.y));
  if (!cv::Rect(0, 0, kSide, kSide).contains(at)) return 0.0;
  return static_cast<double>(depth_[slice].at<float>(at));
}

Point3 LungMap::random_point(Random& random, int side) const {
  const bool right = side == 0 ? random.below(right_.size() + left_.size()) < right_.size() : side < 0;
  const std::vector<Point3>& points = right ? right_ : left_;
  Point3 point = points[random.below(points.size())];
  const double half = 0.5 * scan_.grid.spacing_mm;
  point.x += random.uniform(-half, half);
  point.y += random.uniform(-half, half);
  point.z += random.uniform(-0.5, 0.5) * scan_.step_mm;
  return point;
}

}  // namespace pulmo::pipeline::phantom
