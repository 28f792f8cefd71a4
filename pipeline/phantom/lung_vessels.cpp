#include "pipeline/phantom/lung_vessels.h"

#include <opencv2/core.hpp>

#include "pipeline/phantom/great_vessels.h"

namespace pulmo::pipeline::phantom {
namespace {

constexpr int kArteryEnds = 520;  // per lung
constexpr int kVeinEnds = 420;
constexpr double kEndRadius = 0.40;  // mm
constexpr double kGrowthExponent = 0.36;

Point3 unit(const Point3& vector) {
  const double length = cv::norm(vector);
  return length > 1e-9 ? vector * (1.0 / length) : Point3(0, 0, 1);
}

Point3 centroid(const std::vector<Point3>& points) {
  Point3 sum;
  for (const Point3& p : points) sum += p;
  return sum * (1.0 / static_cast<double>(points.size()));
}

/// Direction of the largest spread of the points across `heading`.
Point3 widest_across(const std::vector<Point3>& points, const Point3& centre, const Point3& heading) {
  cv::Matx33d spread = cv::Matx33d::zeros();
  for (const Point3& p : points) {
    const Point3 offset = p - centre;
    const Point3 across = offset - heading.dot(offset) * heading;
    const cv::Vec3d v(across.x, across.y, across.z);
    spread += v * v.t();
  }
  cv::Vec3d values;
  cv::Matx33d vectors;
  cv::eigen(spread, values, vectors);
  return {vectors(0, 0), vectors(0, 1), vectors(0, 2)};
}

class TreeGrower {
 public:
  TreeGrower(Random& random, std::vector<Capsule>& branches) : random_(random), branches_(branches) {}

  void grow(const Point3& from, const Point3& heading, std::vector<Point3> ends) {
    if (ends.size() == 1) {
      branches_.push_back({from, from + 0.95 * (ends[0] - from), kEndRadius, 0.6 * kEndRadius});
      return;
    }
    const Point3 centre = centroid(ends);
    const Point3 axis = widest_across(ends, centre, unit(centre - from));
    auto middle = std::partition(ends.begin(), ends.end(), [&](const Point3& p) { return axis.dot(p - centre) < 0.0; });
    if (middle == ends.begin() || middle == ends.end()) middle = ends.begin() + static_cast<long>(ends.size() / 2);
    branch(from, heading, {ends.begin(), middle});
    branch(from, heading, {middle, ends.end()});
  }

 private:
  void branch(const Point3& from, const Point3& heading, std::vector<Point3> ends) {
    const double radius = kEndRadius * std::pow(static_cast<double>(ends.size()), kGrowthExponent);
    const Point3 to = from + random_.uniform(0.38, 0.52) * (centroid(ends) - from);
    const Point3 direction = unit(to - from);
    const double length = cv::norm(to - from);
    const Point3 bend = from + 0.5 * (to - from) + 0.14 * length * (heading - direction);  // leaves the parent softly
    branches_.push_back({from, bend, 1.06 * radius, 1.02 * radius});
    branches_.push_back({bend, to, 1.02 * radius, 0.95 * radius});
    grow(to, direction, std::move(ends));
  }

  Random& random_;
  std::vector<Capsule>& branches_;
};

std::vector<Point3> ends_in(const LungMap& map, Random& random, int side, int count) {
  std::vector<Point3> ends;
  for (int i = 0; i < count; ++i) ends.push_back(map.random_point(random, side));
  return ends;
}

/// The bronchus beside an artery: pushed backwards and inwards by the sum of the radii.
Capsule companion(const Capsule& artery, int side) {
  const Point3 aside = unit(Point3(-0.35 * side, 0.9, 0.2));
  return {artery.a + 1.95 * artery.radius_a * aside, artery.b + 1.95 * artery.radius_b * aside, 0.72 * artery.radius_a,
          0.72 * artery.radius_b};
}

void add_lung(const Anatomy& anatomy, const LungMap& map, Random& random, int side, std::vector<LungBranch>& all) {
  const Hilum root = hilum(anatomy, side);
  std::vector<Capsule> arteries;
  TreeGrower(random, arteries).grow(root.artery, Point3(side, 0, 0), ends_in(map, random, side, kArteryEnds));
  std::vector<Capsule> veins;
  TreeGrower(random, veins).grow(root.vein, Point3(side, 0, 0), ends_in(map, random, side, kVeinEnds));
  for (const Capsule& artery : arteries) {
    if (artery.radius_b >= 1.25) all.push_back({companion(artery, side), LungTreeKind::kAirway});
    all.push_back({artery, LungTreeKind::kArtery});
  }
  for (const Capsule& vein : veins) all.push_back({vein, LungTreeKind::kVein});
  const Capsule first = companion(arteries.front(), side);
  all.push_back({{root.bronchus, first.a, 1.2 * first.radius_a, first.radius_a}, LungTreeKind::kAirway});
}

}  // namespace

std::vector<LungBranch> grow_lung_trees(const Anatomy& anatomy, const LungMap& map, Random& random) {
  std::vector<LungBranch> branches;
  for (const int side : {-1, 1}) add_lung(anatomy, map, random, side, branches);
  return branches;
}

}  // namespace pulmo::pipeline::phantom
