#include "training/evaluation/comparison.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/support/atomic_file.h"
#include "core/support/error.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"
#include "tests/training/evaluation/random_predictions.h"

namespace pulmo::training {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Another model's scores on the same samples.
std::vector<Prediction> rescored(std::vector<Prediction> predictions, std::uint64_t seed) {
  testing::RandomPredictions other;
  other.seed = seed;
  const auto scores = testing::random_predictions(other);
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    const double mixed = 0.5 * (predictions[i].probabilities[1] + scores[i].probabilities[1]);
    predictions[i].probabilities = {1.0 - mixed, mixed};
  }
  return predictions;
}

ComparedRow make_row(const std::string& name, const std::vector<Prediction>& test, double threshold) {
  RunFacts facts;
  facts.row = name;
  facts.classes = {{"normal", "malignant"}, 1};
  facts.threshold = threshold;
  facts.bootstrap = {30, 0.95, 9};
  return {make_report(facts, {{"test", test}}), test, std::nullopt};
}

Comparison make_comparison() {
  Comparison comparison;
  comparison.reference = "proposed_cnn";
  comparison.command_line = "pulmo-train compare --output \"<here>\"";
  comparison.data_digest = "abc123";
  comparison.task = "slice";
  comparison.classes = {{"normal", "malignant"}, 1};
  comparison.bootstrap = {30, 0.95, 9};
  const auto test = testing::random_predictions({.seed = 21});
  comparison.rows.push_back(make_row("majority", rescored(test, 23), 0.5));
  comparison.rows.push_back(make_row("svm", rescored(test, 22), 0.45));
  comparison.rows.push_back(make_row("proposed_cnn", test, 0.55));
  add_paired_tests(comparison);
  return comparison;
}

void expect_scipy_agrees(const Comparison& comparison) {
  const pulmo::testing::TempDir folder;
  for (const ComparedRow& row : comparison.rows) {
    const auto sub = folder / row.report.facts.row;
    std::filesystem::create_directory(sub);
    write_predictions(sub / "predictions.csv", comparison.classes, {{"test", row.test}});
    write_file_atomically(sub / "metrics.json", to_json(row.report));
  }
  write_file_atomically(folder / "comparison.json", comparison_json(comparison));
  const auto twin = pulmo::testing::run_process(
      {pulmo::testing::python(), pulmo::testing::source_dir() / "tests/golden/training_statistics_twin.py", "paired",
       folder.path()});
  EXPECT_EQ(twin.exit_code, 0) << twin.out << twin.err;
}

TEST(Comparison, PairedTestsAgreeWithScipy) {
  expect_scipy_agrees(make_comparison());
}

TEST(Comparison, PairedTestsWeighSlicesAsTheFiguresDo) {
  Comparison comparison = make_comparison();
  for (ComparedRow& row : comparison.rows) row.report.facts.slice_weights = SliceWeights::kSphere;
  add_paired_tests(comparison);
  expect_scipy_agrees(comparison);
  EXPECT_THAT(comparison_markdown(comparison), HasSubstr("section of a sphere"));
}

TEST(Comparison, CorrectedValuesBelowTheLevelAreMarked) {
  Comparison comparison = make_comparison();
  PairedResult& patient = (*comparison.rows[0].paired)[static_cast<std::size_t>(Level::kPatient)];
  patient.delong.p_value = 0.004;
  patient.delong_holm = 0.008;
  EXPECT_THAT(comparison_markdown(comparison), HasSubstr("0.008 * [0.004]"));
  patient.delong_holm = 0.051;
  EXPECT_THAT(comparison_markdown(comparison), HasSubstr("0.051 [0.004]"));
}

TEST(Comparison, RefusesRowsScoredOnOtherSamples) {
  Comparison comparison = make_comparison();
  std::swap(comparison.rows[1].test[0], comparison.rows[1].test[1]);
  EXPECT_THROW(add_paired_tests(comparison), InvalidInput);
}

TEST(Comparison, MarkdownHoldsOurFiguresAndThePapers) {
  const std::string text = comparison_markdown(make_comparison());
  EXPECT_THAT(text, HasSubstr("| Proposed CNN"));
  EXPECT_THAT(text, HasSubstr("94.7 / 92.1 / 90.5 / 91.3"));
  EXPECT_THAT(text, HasSubstr("85.2 / 83.4 / 82.1 / 82.7"));
  EXPECT_THAT(text, HasSubstr("abc123"));
  EXPECT_THAT(text, HasSubstr("reference"));
  EXPECT_THAT(text, HasSubstr("never a diagnosis"));
  EXPECT_THAT(text, Not(HasSubstr("PHANTOM")));
}

TEST(Comparison, PhantomResultsSaySoEverywhere) {
  Comparison comparison = make_comparison();
  comparison.phantom = true;
  EXPECT_THAT(comparison_markdown(comparison), HasSubstr("PHANTOM"));
  EXPECT_THAT(comparison_html(comparison), HasSubstr("class=\"phantom\""));
  EXPECT_TRUE(nlohmann::json::parse(comparison_json(comparison)).at("phantom").get<bool>());
}

TEST(Comparison, TellsWhereNetworksDifferInPrecision) {
  Comparison comparison = make_comparison();
  EXPECT_THAT(comparison_markdown(comparison), Not(HasSubstr("differ in")));
  comparison.rows[1].report.facts.precision = "bf16";  // of two; no network has none
  EXPECT_THAT(comparison_markdown(comparison), Not(HasSubstr("differ in")));
  comparison.rows[2].report.facts.precision = "fp32";
  EXPECT_THAT(comparison_markdown(comparison),
              HasSubstr("The rows differ in precision: bf16 (SVM-based CAD); fp32 (Proposed CNN)."));
}

TEST(Comparison, CsvHasALineForEachRowAndLevelAndEvenColumns) {
  std::istringstream lines(comparison_csv(make_comparison()));
  std::vector<std::int64_t> commas;
  for (std::string line; std::getline(lines, line);) commas.push_back(std::count(line.begin(), line.end(), ','));
  ASSERT_EQ(commas.size(), 10U);
  EXPECT_EQ(std::count(commas.begin(), commas.end(), commas.front()), 10);
}

TEST(Comparison, PageStandsAloneAndEscapesWhatItShows) {
  const std::string page = comparison_html(make_comparison());
  EXPECT_THAT(page, HasSubstr("&lt;here&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("<here>")));
  EXPECT_THAT(page, HasSubstr("<polyline"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("href=")));
  EXPECT_THAT(page, Not(HasSubstr("src=")));
  EXPECT_THAT(page, Not(HasSubstr("://")));
}

TEST(Comparison, PageShowsTheMostWrongCasesAsPictures) {
  Comparison comparison = make_comparison();
  comparison.rows[1].wrong = {{3, 1, 0, 0.0125, 17, "data:image/png;base64,AAAA"}};
  const std::string page = comparison_html(comparison);
  EXPECT_THAT(page, HasSubstr("src=\"data:image/png;base64,AAAA\""));
  EXPECT_THAT(page, HasSubstr("<b>malignant</b><span>taken for normal"));
  EXPECT_THAT(page, HasSubstr("group 17"));
  EXPECT_THAT(page, HasSubstr("p(truth) 0.013"));
  EXPECT_THAT(comparison_html(make_comparison()), Not(HasSubstr("most wrong")));
}

TEST(Comparison, PageTellsWhatTrainingCost) {
  Comparison comparison = make_comparison();
  RunFacts& facts = comparison.rows[2].report.facts;
  facts.epochs = 12;
  facts.best_epoch = 9;
  facts.seconds = 3726.0;
  const std::string page = comparison_html(comparison);
  EXPECT_THAT(page, HasSubstr("<td>1:02:06</td><td>12</td><td>9</td><td>310.5</td>"));
}

TEST(Comparison, FoldsAreToldWithMeanAndDeviation) {
  Comparison comparison = make_comparison();
  for (ComparedRow& row : comparison.rows) {
    RunReport other = row.report;
    other.splits[0].levels[1].metrics.values[static_cast<std::size_t>(Metric::kRocAuc)] = 0.5;
    row.report.splits[0].levels[1].metrics.values[static_cast<std::size_t>(Metric::kRocAuc)] = 0.7;
    row.folds = {row.report, other};
  }
  EXPECT_THAT(comparison_markdown(comparison), HasSubstr("0.600 ± 0.141"));
  EXPECT_THAT(comparison_html(comparison), HasSubstr("0.600<small>± 0.141"));
  const auto json = nlohmann::json::parse(comparison_json(comparison));
  EXPECT_EQ(json.at("folds"), 2);
  EXPECT_NEAR(json.at("rows")[0].at("over_folds").at("group").at("roc_auc").at("mean").get<double>(), 0.6, 1e-12);
}

TEST(Comparison, HoldsNoPatientIdentifier) {
  const Comparison comparison = make_comparison();
  for (const std::string& text : {comparison_html(comparison), comparison_markdown(comparison),
                                  comparison_json(comparison), comparison_csv(comparison)}) {
    for (int patient = 0; patient < 12; ++patient) {
      EXPECT_THAT(text, Not(HasSubstr("\"P" + std::to_string(patient) + "\"")));
      EXPECT_THAT(text, Not(HasSubstr(">P" + std::to_string(patient) + "<")));
    }
  }
}

}  // namespace
}  // namespace pulmo::training
