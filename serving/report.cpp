#include "serving/report.h"

#include <algorithm>

namespace pulmo::serving {
namespace {

std::vector<PlacedSlice> placed(const std::vector<SliceOutcome>& outcomes) {
  std::vector<PlacedSlice> slices;
  slices.reserve(outcomes.size());
  for (const SliceOutcome& outcome : outcomes) {
    if (const auto* prediction = std::get_if<Prediction>(&outcome)) {
      slices.push_back({prediction->place, prediction->probabilities});
    } else {
      slices.push_back({std::get<SliceFailure>(outcome).place, {}});
    }
  }
  return slices;
}

}  // namespace

Report make_report(const std::vector<SliceOutcome>& outcomes, const BundleMetadata& metadata) {
  Report report;
  report.series = find_series(placed(outcomes), metadata);
  std::vector<std::optional<std::size_t>> series_of(outcomes.size());
  std::vector<std::size_t> first(report.series.size(), outcomes.size());  // outcome that came first, of each series
  for (std::size_t s = 0; s < report.series.size(); ++s) {
    for (const Series::Point& point : report.series[s].points) {
      series_of[point.slice] = s;
      first[s] = std::min(first[s], point.slice);
    }
  }
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (!series_of[i]) report.entries.push_back({i, std::nullopt, std::nullopt});
    if (!series_of[i] || first[*series_of[i]] != i) continue;
    for (Series::Point& point : report.series[*series_of[i]].points) {
      report.entries.push_back({point.slice, series_of[i], point.position_mm});
      point.slice = report.entries.size() - 1;
    }
  }
  return report;
}

}  // namespace pulmo::serving
