#include "serving/series.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <utility>

#include "serving/verdict.h"

namespace pulmo::serving {
namespace {

constexpr double kGapFactor = 1.5;       // of the median distance; as prepare counts gaps
constexpr double kSamePlaceMm = 0.01;    // nearer slices lie at one place
constexpr double kSameDirection = 1e-3;  // of a direction cosine
constexpr std::size_t kFewSlices = 3;

using Vector = std::array<double, 3>;

/// Unit normal of the image plane, pointing to the head.
Vector normal_of(const SlicePlace& place) {
  const auto& o = place.orientation;
  Vector n{o[1] * o[5] - o[2] * o[4], o[2] * o[3] - o[0] * o[5], o[0] * o[4] - o[1] * o[3]};
  const double length = std::hypot(n[0], n[1], n[2]) * (n[2] < 0.0 ? -1.0 : 1.0);
  if (length == 0.0) return {0.0, 0.0, 1.0};
  for (double& component : n) component /= length;
  return n;
}

bool same_plane(const SlicePlace& a, const SlicePlace& b) {
  const Vector one = normal_of(a);
  const Vector other = normal_of(b);
  for (std::size_t i = 0; i < 3; ++i) {
    if (std::abs(one.at(i) - other.at(i)) > kSameDirection) return false;
  }
  return true;
}

std::string millimetres(double value) {
  const auto tenths = std::llround(value * 10.0);
  return std::to_string(tenths / 10) + "." + std::to_string(std::abs(tenths % 10)) + " mm";
}

/// The slices in order, with their positions.
void order_points(const std::vector<PlacedSlice>& slices, Series& series) {
  auto& points = series.points;
  const auto place = [&](const Series::Point& point) -> const SlicePlace& { return slices[point.slice].place; };
  const bool placed = std::all_of(points.begin(), points.end(), [&](const auto& p) { return place(p).has_position; });
  if (placed) {
    const Vector n = normal_of(place(points.front()));
    for (Series::Point& point : points) {
      const auto& at = place(point).position_mm;
      point.position_mm = at[0] * n[0] + at[1] * n[1] + at[2] * n[2];
    }
  } else {
    series.warnings.emplace_back("a slice tells no position: the slices stand by their instance numbers");
  }
  std::stable_sort(points.begin(), points.end(), [&](const auto& a, const auto& b) {
    if (placed && *a.position_mm != *b.position_mm) return *a.position_mm < *b.position_mm;
    return place(a).instance_number < place(b).instance_number;
  });
}

void measure_spacing(const std::vector<PlacedSlice>& slices, Series& series) {
  const auto& points = series.points;
  const SlicePlace& first = slices[points.front().slice].place;
  if (std::any_of(points.begin(), points.end(),
                  [&](const auto& p) { return !same_plane(slices[p.slice].place, first); }))
    series.warnings.emplace_back("the slices differ in orientation: their order may be wrong");
  if (!points.front().position_mm) return;
  std::vector<double> steps;
  for (std::size_t i = 1; i < points.size(); ++i) {
    const double step = *points[i].position_mm - *points[i - 1].position_mm;
    if (step >= kSamePlaceMm) steps.push_back(step);
  }
  if (steps.size() + 1 < points.size())
    series.warnings.emplace_back("slices lie at the same place: some may be there twice");
  if (steps.empty()) return;
  const double widest = *std::max_element(steps.begin(), steps.end());
  const auto middle = steps.begin() + static_cast<std::ptrdiff_t>(steps.size() / 2);
  std::nth_element(steps.begin(), middle, steps.end());
  series.spacing_mm = *middle;
  if (steps.size() % 2 == 0) series.spacing_mm = (*middle + *std::max_element(steps.begin(), middle)) / 2.0;
  if (widest > kGapFactor * *series.spacing_mm) {
    series.warnings.push_back("slices are missing: a step of " + millimetres(widest) + " where most are " +
                              millimetres(*series.spacing_mm));
  }
}

/// Whether two neighbours in the order are neighbours in the body.
bool adjacent(const Series& series, std::size_t i, std::size_t j) {
  const auto& a = series.points[i].position_mm;
  const auto& b = series.points[j].position_mm;
  return !a || !b || !series.spacing_mm || std::abs(*a - *b) <= kGapFactor * *series.spacing_mm;
}

void smooth(Series& series) {
  auto& points = series.points;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!points[i].probability) continue;
    double sum = *points[i].probability;
    double count = 1.0;
    for (const std::size_t j : {i - 1, i + 1}) {  // i - 1 wraps around below the first
      if (j >= points.size() || !points[j].probability || !adjacent(series, i, j)) continue;
      sum += *points[j].probability;
      count += 1.0;
    }
    points[i].smoothed = sum / count;
    series.probability = std::max(series.probability.value_or(0.0), sum / count);
  }
}

void find_suspicious(double threshold, Series& series) {
  const auto& points = series.points;
  bool open = false;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const bool reaches = points[i].smoothed && *points[i].smoothed >= threshold;
    if (open && reaches && adjacent(series, i - 1, i)) {
      Series::Region& region = series.suspicious.back();
      region.last = i;
      if (*points[i].smoothed > region.probability) {
        region.peak = i;
        region.probability = *points[i].smoothed;
      }
    } else if (reaches) {
      series.suspicious.push_back({i, i, i, *points[i].smoothed});
    }
    open = reaches;
  }
  std::stable_sort(series.suspicious.begin(), series.suspicious.end(),
                   [](const auto& a, const auto& b) { return a.probability > b.probability; });
}

/// The class at the series' probability; of the others the one with the highest mean.
void judge(const std::vector<PlacedSlice>& slices, const BundleMetadata& metadata, Series& series) {
  if (!series.probability) return;
  std::vector<double> sums(metadata.class_names.size(), 0.0);
  for (const Series::Point& point : series.points) {
    const auto& probabilities = slices[point.slice].probabilities;
    for (std::size_t k = 0; k < probabilities.size(); ++k) sums.at(k) += probabilities[k];
  }
  sums.at(positive_index(metadata)) = *series.probability;
  series.class_name = metadata.class_names.at(choose_class(metadata, sums));
}

Series make_series(const std::vector<PlacedSlice>& slices, const std::vector<std::size_t>& members,
                   const BundleMetadata& metadata) {
  Series series;
  const std::size_t positive = positive_index(metadata);
  for (const std::size_t member : members) {
    Series::Point point;
    point.slice = member;
    const auto& probabilities = slices[member].probabilities;
    if (positive < probabilities.size()) point.probability = probabilities[positive];
    series.predicted += probabilities.empty() ? 0 : 1;
    series.points.push_back(point);
  }
  order_points(slices, series);
  measure_spacing(slices, series);
  smooth(series);
  find_suspicious(metadata.threshold, series);
  judge(slices, metadata, series);
  if (series.predicted > kFewSlices) {
    series.warnings.emplace_back(
        "the operating point was chosen on single slices: over many slices it is reached by "
        "chance more often");
  } else {
    series.warnings.emplace_back("few slices of this series could be predicted: send the whole series");
  }
  return series;
}

}  // namespace

double tilt_degrees(const SlicePlace& place) {
  return std::acos(std::clamp(normal_of(place)[2], 0.0, 1.0)) * 180.0 / std::numbers::pi;
}

std::vector<Series> find_series(const std::vector<PlacedSlice>& slices, const BundleMetadata& metadata) {
  std::map<std::string, std::vector<std::size_t>> members;
  std::vector<std::string> order;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    if (slices[i].place.series.empty()) continue;
    auto& list = members[slices[i].place.series];
    if (list.empty()) order.push_back(slices[i].place.series);
    list.push_back(i);
  }
  std::vector<Series> found;
  for (const std::string& name : order) {
    if (members[name].size() > 1) found.push_back(make_series(slices, members[name], metadata));
  }
  return found;
}

}  // namespace pulmo::serving
