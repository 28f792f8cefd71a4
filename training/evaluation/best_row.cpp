#include "training/evaluation/best_row.h"

#include <cmath>
#include <limits>

namespace pulmo::training {
namespace {

double area_of(const RunReport& report) {
  const SplitReport* validation = report.find("validation");
  return validation == nullptr ? std::numeric_limits<double>::quiet_NaN()
                               : validation->at(Level::kGroup).metrics[Metric::kRocAuc];
}

}  // namespace

double validation_area(const ComparedRow& row) {
  if (row.folds.empty()) return area_of(row.report);
  double sum = 0.0;
  for (const RunReport& fold : row.folds) sum += area_of(fold);
  return sum / static_cast<double>(row.folds.size());
}

std::optional<BestRow> best_row(const Comparison& comparison) {
  std::optional<BestRow> best;
  for (const ComparedRow& row : comparison.rows) {
    const double area = validation_area(row);
    if (!std::isnan(area) && (!best || area > best->validation_area)) best = BestRow{row.report.facts.row, area};
  }
  return best;
}

}  // namespace pulmo::training
