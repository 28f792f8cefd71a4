#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "pipeline/lidc/lidc_nodules.h"

namespace pulmo::pipeline {
namespace {

constexpr double kShrink = 0.9;          // pylidc: factor
constexpr double kMinToleranceMm = 0.1;  // pylidc: min_tol
constexpr std::size_t kMaxMembers = 4;   // LIDC has four readers

struct Bounds {
  cv::Point3d low{std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity(),
                  std::numeric_limits<double>::infinity()};
  cv::Point3d high = -low;
};

Bounds bounds_of(const std::vector<cv::Point3d>& points) {
  Bounds bounds;
  for (const cv::Point3d& p : points) {
    bounds.low = {std::min(bounds.low.x, p.x), std::min(bounds.low.y, p.y), std::min(bounds.low.z, p.z)};
    bounds.high = {std::max(bounds.high.x, p.x), std::max(bounds.high.y, p.y), std::max(bounds.high.z, p.z)};
  }
  return bounds;
}

/// Squared distance of two boxes: no contour points inside can be nearer.
double box_distance(const Bounds& a, const Bounds& b) {
  const double x = std::max({0.0, a.low.x - b.high.x, b.low.x - a.high.x});
  const double y = std::max({0.0, a.low.y - b.high.y, b.low.y - a.high.y});
  const double z = std::max({0.0, a.low.z - b.high.z, b.low.z - a.high.z});
  return x * x + y * y + z * z;
}

double squared_distance(const std::vector<cv::Point3d>& a, const std::vector<cv::Point3d>& b) {
  double least = std::numeric_limits<double>::infinity();
  for (const cv::Point3d& p : a) {
    for (const cv::Point3d& q : b) {
      const cv::Point3d d = p - q;
      least = std::min(least, d.dot(d));
    }
  }
  return least;
}

/// Distances of all pairs, row-major; pairs further apart than `tolerance` are infinitely far.
std::vector<double> distances_of(std::span<const ReaderMark> marks, double tolerance_mm) {
  const std::size_t n = marks.size();
  std::vector<Bounds> bounds;
  for (const ReaderMark& mark : marks) bounds.push_back(bounds_of(mark.points_mm));
  std::vector<double> distances(n * n, std::numeric_limits<double>::infinity());
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = i + 1; j < n; ++j) {
      if (box_distance(bounds[i], bounds[j]) > tolerance_mm * tolerance_mm) continue;
      distances[i * n + j] = std::sqrt(squared_distance(marks[i].points_mm, marks[j].points_mm));
      distances[j * n + i] = distances[i * n + j];
    }
  }
  return distances;
}

std::vector<std::vector<std::size_t>> components(const std::vector<double>& distances, std::size_t n,
                                                 double tolerance) {
  std::vector<std::vector<std::size_t>> result;
  std::vector<bool> seen(n, false);
  for (std::size_t first = 0; first < n; ++first) {
    if (seen[first]) continue;
    std::vector<std::size_t> members{first};
    seen[first] = true;
    for (std::size_t k = 0; k < members.size(); ++k) {
      for (std::size_t j = 0; j < n; ++j) {
        if (seen[j] || distances[members[k] * n + j] > tolerance) continue;
        seen[j] = true;
        members.push_back(j);
      }
    }
    std::sort(members.begin(), members.end());
    result.push_back(std::move(members));
  }
  return result;
}

}  // namespace

Clusters cluster_marks(std::span<const ReaderMark> marks, double tolerance_mm) {
  const std::vector<double> distances = distances_of(marks, tolerance_mm);
  const auto crowded = [](const auto& clusters) {
    return std::any_of(clusters.begin(), clusters.end(), [](const auto& c) { return c.size() > kMaxMembers; });
  };
  Clusters clusters;
  clusters.tolerance_mm = tolerance_mm;
  clusters.members = components(distances, marks.size(), tolerance_mm);
  while (crowded(clusters.members)) {
    const double tighter = clusters.tolerance_mm * kShrink;
    if (tighter < kMinToleranceMm) {
      clusters.ambiguous = true;
      break;
    }
    clusters.tolerance_mm = tighter;
    clusters.members = components(distances, marks.size(), tighter);
  }
  return clusters;
}

}  // namespace pulmo::pipeline
