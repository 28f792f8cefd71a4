#include "training/evaluation/best_row.h"

#include <gmock/gmock.h>

#include <cmath>

namespace pulmo::training {
namespace {

using ::testing::HasSubstr;

RunReport report_of(const std::string& row, double validation, double test) {
  RunReport report;
  report.facts.row = row;
  for (const auto& [split, area] : {std::pair{"validation", validation}, std::pair{"test", test}}) {
    SplitReport& part = report.splits.emplace_back();
    part.split = split;
    for (LevelReport& level : part.levels) level.metrics.values[static_cast<std::size_t>(Metric::kRocAuc)] = 0.5;
    part.levels[static_cast<std::size_t>(Level::kGroup)].metrics.values[static_cast<std::size_t>(Metric::kRocAuc)] =
        area;
  }
  return report;
}

ComparedRow row_of(const std::string& row, double validation, double test = 0.5) {
  return {report_of(row, validation, test), {}, std::nullopt};
}

Comparison comparison_of(std::vector<ComparedRow> rows) {
  Comparison comparison;
  comparison.rows = std::move(rows);
  return comparison;
}

TEST(BestRow, IsTheBestByNoduleOnValidationWhateverTheTestSays) {
  const auto best =
      best_row(comparison_of({row_of("svm", 0.8, 0.99), row_of("cnn3d", 0.9, 0.6), row_of("forest", 0.7)}));
  ASSERT_TRUE(best);
  EXPECT_EQ(best->row, "cnn3d");
  EXPECT_DOUBLE_EQ(best->validation_area, 0.9);
}

TEST(BestRow, IsTheEarlierOfEqualOnes) {
  EXPECT_EQ(best_row(comparison_of({row_of("svm", 0.8), row_of("forest", 0.8)}))->row, "svm");
}

TEST(BestRow, PassesOverWhatIsNotDefined) {
  EXPECT_EQ(best_row(comparison_of({row_of("svm", NAN), row_of("forest", 0.4)}))->row, "forest");
  EXPECT_FALSE(best_row(comparison_of({row_of("svm", NAN)})));
  ComparedRow no_validation = row_of("svm", 0.8);
  no_validation.report.splits.erase(no_validation.report.splits.begin());
  EXPECT_FALSE(best_row(comparison_of({no_validation})));
}

TEST(BestRow, TakesTheMeanOfFolds) {
  ComparedRow first = row_of("svm", NAN), second = row_of("forest", NAN);
  first.folds = {report_of("svm", 0.95, 0.5), report_of("svm", 0.65, 0.5)};
  second.folds = {report_of("forest", 0.85, 0.5), report_of("forest", 0.85, 0.5)};
  EXPECT_DOUBLE_EQ(validation_area(first), 0.8);
  EXPECT_EQ(best_row(comparison_of({first, second}))->row, "forest");
}

TEST(BestRow, IsNamedInTheNotesAndInJson) {
  Comparison comparison = comparison_of({});
  comparison.reference = "proposed_cnn";
  comparison.best = BestRow{"slice_attention", 0.91};
  const std::string json = comparison_json(comparison);
  EXPECT_THAT(json, HasSubstr("bundle.pt is the model of the row Attention over slices"));
  EXPECT_THAT(json, HasSubstr("\"row\": \"slice_attention\""));
}

}  // namespace
}  // namespace pulmo::training
