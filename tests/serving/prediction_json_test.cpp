#include "serving/prediction_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/support/version.h"
#include "tests/serving/fake_predictor.h"

namespace pulmo::serving {
namespace {

using nlohmann::json;
using testing::FakePredictor;

Prediction sample_prediction() {
  Prediction prediction;
  prediction.name = "a.png";
  prediction.class_name = "malignant";
  prediction.probabilities = {0.25, 0.75};
  prediction.lung_fraction = 0.3;
  prediction.input = {0.29, 0.4};
  prediction.unusual = true;
  prediction.warnings = {"careful"};
  prediction.times = {0.0005, 0.001, 0.0025, 0.0, 0.04};
  return prediction;
}

ServedModel fake_model() {
  return {"fake", "7", std::make_shared<FakePredictor>(), BatcherOptions{}};
}

std::string document_of(const ServedModel& model, const std::vector<SliceOutcome>& outcomes, const std::string& id,
                        bool summary_only = false) {
  Report report = make_report(outcomes, model.metadata());
  report.summary_only = summary_only;
  return prediction_json(model, outcomes, report, id);
}

TEST(PredictionJson, HasTheKeysThatProgramsRelyOn) {
  const ServedModel model = fake_model();
  const json document = json::parse(document_of(model, {sample_prediction()}, "id-1"));
  EXPECT_EQ(document.at("request_id"), "id-1");
  EXPECT_EQ(document.at("model"), (json{{"name", "fake"}, {"version", "7"}, {"sha256", "0123abcd"}}));
  EXPECT_EQ(document.at("notice"), kNotice);
  const json expected = {
      {"name", "a.png"},
      {"kind", "hounsfield"},
      {"class", "malignant"},
      {"probabilities", {{"normal", 0.25}, {"malignant", 0.75}}},
      {"threshold", 0.5},
      {"lung_fraction", 0.3},
      {"input", {{"lung_fraction", 0.29}, {"mean_intensity", 0.4}, {"unusual", true}}},
      {"warnings", {"careful"}},
      {"timings_ms", {{"wait", 0.5}, {"decode", 1.0}, {"preprocess", 2.5}, {"queue", 0.0}, {"infer", 40.0}}}};
  EXPECT_EQ(document.at("results"), json::array({expected}));
}

TEST(PredictionJson, PutsFailuresInTheirPlace) {
  const ServedModel model = fake_model();
  const json document =
      json::parse(document_of(model, {SliceFailure{"b", "no_lung", "no lung", {}}, sample_prediction()}, "id"));
  EXPECT_EQ(document["results"][0], (json{{"name", "b"}, {"error", {{"code", "no_lung"}, {"message", "no lung"}}}}));
  EXPECT_EQ(document["results"][1]["class"], "malignant");
}

TEST(PredictionJson, SurvivesNamesThatAreNoText) {
  const ServedModel model = fake_model();
  Prediction prediction = sample_prediction();
  prediction.name = "\xff\xfe\"";
  EXPECT_EQ(json::parse(document_of(model, {prediction}, "id"))["results"][0]["name"], "\uFFFD\uFFFD\"");
}

TEST(PredictionJson, CarriesThePreviewAsDataUrl) {
  const ServedModel model = fake_model();
  Prediction prediction = sample_prediction();
  for (const char c : std::string("hello")) prediction.preview_png.push_back(static_cast<std::byte>(c));
  EXPECT_EQ(json::parse(document_of(model, {prediction}, "id"))["results"][0]["preview"],
            "data:image/png;base64,aGVsbG8=");
}

TEST(PredictionJson, CarriesTheOutlineOfTheNoduleWhereTheModelHasOne) {
  const ServedModel model = fake_model();
  Prediction prediction = sample_prediction();
  prediction.explanation.emplace();
  EXPECT_FALSE(json::parse(document_of(model, {prediction}, "id"))["results"][0]["explanation"].contains("nodule"));
  NoduleOutline& nodule = prediction.explanation->nodule.emplace();
  for (const char c : std::string("hello")) nodule.png.push_back(static_cast<std::byte>(c));
  nodule.area_px = 36;
  nodule.largest_probability = 0.875;
  EXPECT_EQ(json::parse(document_of(model, {prediction}, "id"))["results"][0]["explanation"]["nodule"],
            (json{{"outline", "data:image/png;base64,aGVsbG8="}, {"area_px", 36}, {"largest_probability", 0.875}}));
}

/// Slices of one series at z = 0, 2, 4, ...
std::vector<SliceOutcome> sample_series(const std::vector<double>& probabilities) {
  std::vector<SliceOutcome> outcomes;
  for (const double p : probabilities) {
    Prediction prediction = sample_prediction();
    prediction.probabilities = {1.0 - p, p};
    prediction.place.series = "uid";
    prediction.place.has_position = true;
    prediction.place.position_mm = {0.0, 0.0, 2.0 * static_cast<double>(outcomes.size())};
    outcomes.emplace_back(std::move(prediction));
  }
  return outcomes;
}

TEST(PredictionJson, SumsUpASeries) {
  const ServedModel model = fake_model();
  const json document = json::parse(document_of(model, sample_series({0.25, 0.5, 0.75}), "id"));
  EXPECT_EQ(document["results"][2]["series"], 0);
  EXPECT_EQ(document["results"][2]["position_mm"], 4.0);
  const json series = document["summary"]["series"][0];
  EXPECT_EQ(series["slices"], 3);
  EXPECT_EQ(series["predicted"], 3);
  EXPECT_EQ(series["refused"], 0);
  EXPECT_EQ(series["spacing_mm"], 2.0);
  EXPECT_EQ(series["class"], "malignant");
  EXPECT_EQ(series["probability"], 0.625);
  EXPECT_EQ(series["threshold"], 0.5);
  EXPECT_EQ(series["profile"][0], (json{{"result", 0}, {"position_mm", 0.0}, {"probability", 0.25}}));
  EXPECT_EQ(
      series["suspicious"],
      json::array({{{"from_mm", 2.0}, {"to_mm", 4.0}, {"peak_mm", 4.0}, {"peak_result", 2}, {"probability", 0.625}}}));
  EXPECT_EQ(document["summary"]["skipped"], 0);
}

TEST(PredictionJson, LeavesTheSlicesOfASeriesOutOfASummary) {
  const ServedModel model = fake_model();
  std::vector<SliceOutcome> outcomes = sample_series({0.25, 0.75});
  outcomes.emplace_back(sample_prediction());
  const json document = json::parse(document_of(model, outcomes, "id", true));
  EXPECT_EQ(document["results"].size(), 1U);
  EXPECT_EQ(document["summary"]["series"][0]["profile"].size(), 2U);
}

TEST(PredictionJson, NamesNoSeriesByItsUid) {
  const ServedModel model = fake_model();
  EXPECT_EQ(document_of(model, sample_series({0.25, 0.75}), "id").find("uid"), std::string::npos);
}

TEST(JobJson, HoldsTheResultAsItWasMade) {
  JobStatus status;
  status.id = "ab";
  status.state = JobState::kDone;
  status.done = status.total = 3;
  status.result = std::make_shared<const std::string>("{\"results\":[1]}\n");
  EXPECT_EQ(json::parse(job_json(status)), (json{{"job", {{"id", "ab"}, {"state", "done"}, {"done", 3}, {"total", 3}}},
                                                 {"result", {{"results", {1}}}}}));
}

TEST(JobJson, SaysWhyAJobFailed) {
  JobStatus status;
  status.state = JobState::kFailed;
  status.error = JobError{"no_lung", "none"};
  EXPECT_EQ(json::parse(job_json(status))["error"], (json{{"code", "no_lung"}, {"message", "none"}}));
}

}  // namespace
}  // namespace pulmo::serving
