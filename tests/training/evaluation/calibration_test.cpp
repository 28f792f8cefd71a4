#include "training/evaluation/calibration.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/support/atomic_file.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"
#include "tests/training/evaluation/random_predictions.h"
#include "training/evaluation/predictions_file.h"

namespace pulmo::training {
namespace {

const ClassList kTwo{{"normal", "malignant"}, 1};

// SciPy's minimiser finds the same temperature, scikit-learn's ROC curve the same Youden index.
void expect_twin_agrees(const std::vector<Prediction>& raw, const ClassList& classes) {
  const pulmo::testing::TempDir folder;
  const double temperature = fit_temperature(raw);
  const auto calibrated = apply_temperature(raw, temperature);
  nlohmann::json json = {{"classes", classes.names},
                         {"positive", classes.positive},
                         {"temperature", temperature},
                         {"loss", mean_negative_log_likelihood(raw)},
                         {"threshold", youden_threshold(calibrated, classes.positive)}};
  for (const Prediction& one : calibrated) json["calibrated"].push_back(one.probabilities);
  write_predictions(folder / "raw.csv", classes, {{"validation", raw}});
  write_file_atomically(folder / "calibration.json", json.dump());
  const auto twin = pulmo::testing::run_process(
      {pulmo::testing::python(), pulmo::testing::source_dir() / "tests/golden/training_statistics_twin.py",
       "calibration", folder.path()});
  EXPECT_EQ(twin.exit_code, 0) << twin.out << twin.err;
}

TEST(Calibration, AgreesWithScipyOnTwoClasses) {
  expect_twin_agrees(testing::random_predictions({.patients = 30, .skill = 0.8, .seed = 11}), kTwo);
}

TEST(Calibration, AgreesWithScipyOnThreeClasses) {
  expect_twin_agrees(testing::random_predictions({.patients = 30, .classes = 3, .skill = 1.2, .seed = 12}),
                     {{"a", "b", "c"}, 1});
}

TEST(Calibration, UndoesASharpening) {
  const auto honest = testing::random_predictions({.patients = 200, .skill = 1.0, .seed = 13});
  const double before = fit_temperature(honest);
  EXPECT_NEAR(fit_temperature(apply_temperature(honest, 1.0 / 3.0)), 3.0 * before, 1e-3 * before);
}

TEST(Calibration, KeepsTheOrderOfTheScores) {
  const auto raw = testing::random_predictions({.seed = 14});
  const auto sharp = apply_temperature(raw, 0.3);
  for (std::size_t i = 1; i < raw.size(); ++i) {
    EXPECT_EQ(raw[i].probabilities[1] < raw[0].probabilities[1], sharp[i].probabilities[1] < sharp[0].probabilities[1]);
  }
}

TEST(Calibration, SurvivesAProbabilityOfZero) {
  const std::vector<Prediction> certain = {{"P", "g", "", 0, {0.0, 1.0}}, {"P", "g", "", 1, {0.0, 1.0}}};
  const double temperature = fit_temperature(certain);
  EXPECT_GT(temperature, 1.0);
  EXPECT_TRUE(std::isfinite(temperature));
}

TEST(YoudenThreshold, LiesHalfwayBetweenTheScoresThatItParts) {
  const std::vector<Prediction> parted = {{"P", "g", "", 0, {0.8, 0.2}}, {"P", "g", "", 1, {0.4, 0.6}}};
  EXPECT_DOUBLE_EQ(youden_threshold(parted, 1), 0.4);
}

TEST(YoudenThreshold, IsOneHalfWhereNothingIsKnown) {
  EXPECT_EQ(youden_threshold({}, 1), 0.5);
  EXPECT_EQ(youden_threshold({{"P", "g", "", 1, {0.1, 0.9}}}, 1), 0.5);
  EXPECT_EQ(youden_threshold({{"P", "g", "", 1, {0.7, 0.3}}, {"P", "g", "", 0, {0.7, 0.3}}}, 1), 0.5);
}

}  // namespace
}  // namespace pulmo::training
