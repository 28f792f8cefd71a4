#include "serving/explainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <opencv2/imgcodecs.hpp>
#include <thread>

#include "core/image/preprocess.h"
#include "core/image/slice_decoder.h"
#include "serving/verdict.h"
#include "tests/serving/fake_predictor.h"
#include "tests/serving/sample_slices.h"
#include "tests/support/bundle_fixture.h"
#include "tests/support/temp_dir.h"

namespace pulmo::serving {
namespace {

using namespace std::chrono_literals;
using testing::chest_picture;
using testing::encoded;
using testing::FakePredictor;
using ::testing::HasSubstr;

class ExplainerTest : public ::testing::Test {
 protected:
  void start(const ExplainOptions& options = {}) {
    explainer_ = std::make_unique<Explainer>(options, std::make_shared<const Decoder>(DecodeLimits{}), metrics_);
  }
  std::future<Answer> ask_for(std::vector<Upload> uploads, ExplainMethod method = ExplainMethod::kAuto) {
    auto promise = std::make_shared<std::promise<Answer>>();
    auto future = promise->get_future();
    explainer_->explain(model_, std::move(uploads), method,
                        [promise](Answer answer) { promise->set_value(std::move(answer)); });
    return future;
  }
  std::future<Answer> ask(Bytes data, ExplainMethod method = ExplainMethod::kAuto) {
    std::vector<Upload> uploads;
    uploads.push_back({"x", std::move(data)});
    return ask_for(std::move(uploads), method);
  }
  /// The one slice's.
  static SliceOutcome outcome_of(std::future<Answer> answer) {
    return std::get<std::vector<SliceOutcome>>(answer.get()).at(0);
  }
  static Prediction prediction_of(std::future<Answer> answer) {
    return std::get<Prediction>(outcome_of(std::move(answer)));
  }
  static std::string failure_of(std::future<Answer> answer) { return std::get<ServiceFailure>(answer.get()).code; }

  std::shared_ptr<FakePredictor> predictor_ = std::make_shared<FakePredictor>(64);
  std::shared_ptr<ServedModel> model_ = std::make_shared<ServedModel>("fake", "7", predictor_, BatcherOptions{});
  Metrics metrics_;
  std::unique_ptr<Explainer> explainer_;
};

TEST_F(ExplainerTest, ExplainsByOcclusionWhereThereAreNoGradients) {
  start();
  const auto prediction = prediction_of(ask(encoded(chest_picture())));
  const Explanation explanation = prediction.explanation.value();
  EXPECT_EQ(explanation.method, "occlusion");
  EXPECT_EQ(explanation.class_name, prediction.class_name);
  EXPECT_EQ(explanation.rows, 64);
  for (const Bytes& png : {explanation.picture_png, explanation.lungs_png, explanation.heat_png}) {
    EXPECT_EQ(decode_slice(png, "picture").pixels.rows, 64);
  }
  EXPECT_THAT(metrics_.text(), HasSubstr("pulmo_stage_duration_seconds_count{stage=\"explain\"} 1"));
}

TEST_F(ExplainerTest, RefusesWhatNeedsGradientsWhereThereAreNone) {
  start();
  for (const auto method : {ExplainMethod::kGradCam, ExplainMethod::kIntegratedGradients}) {
    const SliceOutcome outcome = outcome_of(ask(encoded(chest_picture()), method));
    EXPECT_EQ(std::get<SliceFailure>(outcome).code, "no_gradients");
  }
}

TEST_F(ExplainerTest, SaysWhyASliceIsOfNoUse) {
  start();
  EXPECT_EQ(std::get<SliceFailure>(outcome_of(ask(Bytes(100, std::byte{'x'})))).code, "unknown_format");
  EXPECT_THAT(metrics_.text(), HasSubstr("pulmo_rejected_total{reason=\"unknown_format\"} 1"));
}

TEST_F(ExplainerTest, TakesNoMoreThanItsQueueHolds) {
  ExplainOptions options;
  options.queue = 1;
  start(options);
  predictor_->hold();
  auto running = ask(encoded(chest_picture()));
  predictor_->wait_for_runs(1);
  auto waiting = ask(encoded(chest_picture()));
  EXPECT_FALSE(explainer_->has_room());
  EXPECT_EQ(failure_of(ask(encoded(chest_picture()))), "queue_full");
  EXPECT_EQ(explainer_->in_progress(), 2U);
  predictor_->release();
  EXPECT_TRUE(std::holds_alternative<Prediction>(outcome_of(std::move(running))));
  EXPECT_TRUE(std::holds_alternative<Prediction>(outcome_of(std::move(waiting))));
  EXPECT_EQ(explainer_->in_progress(), 0U);
}

TEST_F(ExplainerTest, GivesUpAtTheDeadline) {
  ExplainOptions options;
  options.deadline = 0ms;
  start(options);
  EXPECT_EQ(failure_of(ask(encoded(chest_picture()))), "deadline");
}

TEST_F(ExplainerTest, SurvivesAModelThatFails) {
  start();
  predictor_->fail();
  EXPECT_EQ(failure_of(ask(encoded(chest_picture()))), "internal");
}

TEST_F(ExplainerTest, ClosingStopsWhatRunsAndFailsWhatWaits) {
  start();
  predictor_->hold();
  auto running = ask(encoded(chest_picture()));
  predictor_->wait_for_runs(1);
  auto waiting = ask(encoded(chest_picture()));
  std::thread closer([this] { explainer_->close(); });
  EXPECT_EQ(failure_of(std::move(waiting)), "shutting_down");
  predictor_->release();
  closer.join();
  EXPECT_EQ(failure_of(std::move(running)), "shutting_down");
  EXPECT_EQ(failure_of(ask(encoded(chest_picture()))), "shutting_down");
}

/// A real model of five slices.
class StackExplainerTest : public ExplainerTest {
 protected:
  StackExplainerTest() {
    pulmo::testing::write_test_bundle(folder_ / "bundle.pt",
                                      {.network = "cnn3d", .depth = 5, .size_px = 32, .seed = 3});
    model_ = std::make_shared<ServedModel>("volumes", "1", load_predictor(folder_ / "bundle.pt"), BatcherOptions{});
    start();
  }
  static std::vector<Upload> named(const std::vector<std::pair<std::string, Bytes>>& files) {
    std::vector<Upload> uploads;
    for (const auto& [name, data] : files) uploads.push_back({name, data});
    return uploads;
  }

  pulmo::testing::TempDir folder_;
  const Bytes plain_ = encoded(chest_picture());
  const Bytes blob_ = encoded(chest_picture(true));
};

/// The brightest heat of a slice, 0 to 255.
double brightest(const Explanation& explanation) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(explanation.heat_png.data());
  const cv::Mat heat =
      cv::imdecode(std::vector<unsigned char>(bytes, bytes + explanation.heat_png.size()), cv::IMREAD_UNCHANGED);
  cv::Mat opacity;
  cv::extractChannel(heat, opacity, 3);
  double highest = 0.0;
  cv::minMaxLoc(opacity, nullptr, &highest);
  return highest;
}

TEST_F(StackExplainerTest, EverySliceHasThePartOfTheMapThatIsItsOwn) {
  const std::vector<Bytes> files = {plain_, encoded(cv::Mat(255 - chest_picture())), blob_};
  cv::Mat stack;
  for (const Bytes& file : files) {
    stack.push_back(preprocess(decode_slice(file, "x"), model_->metadata().spec).image);
  }
  const ImageBatch batch = batch_of(stack, 1, 5);
  const std::size_t k = choose_class(model_->metadata(), model_->predictor().predict(batch));
  const cv::Mat map = part_of_slices(model_->predictor().grad_cam(batch, k).value(), 3);
  const std::vector<cv::Mat> parts = slices_of(map);
  const Answer answer =
      ask_for(named({{"3.png", files[2]}, {"1.png", files[0]}, {"2.png", files[1]}}), ExplainMethod::kGradCam).get();
  const auto& outcomes = std::get<std::vector<SliceOutcome>>(answer);
  std::vector<double> shares;
  for (const std::size_t i : {1U, 2U, 0U}) {
    shares.push_back(std::get<Prediction>(outcomes.at(i)).explanation.value().share.value());
    EXPECT_NEAR(shares.back(), cv::sum(parts[shares.size() - 1])[0] / cv::sum(map)[0], 1e-6);
  }
  EXPECT_GT(std::abs(shares[0] - shares[2]), 1e-3);  // or they could be swapped
}

TEST_F(StackExplainerTest, EverySliceHasItsPartOfOneMap) {
  for (const auto method : {ExplainMethod::kGradCam, ExplainMethod::kIntegratedGradients, ExplainMethod::kOcclusion}) {
    const Answer answer = ask_for(named({{"3.png", plain_}, {"2.png", blob_}, {"1.png", plain_}}), method).get();
    const auto& outcomes = std::get<std::vector<SliceOutcome>>(answer);
    ASSERT_EQ(outcomes.size(), 3U);
    double sum = 0.0, highest = 0.0;
    for (const SliceOutcome& outcome : outcomes) {
      const auto& prediction = std::get<Prediction>(outcome);
      EXPECT_EQ(prediction.probabilities, std::get<Prediction>(outcomes[0]).probabilities);
      const Explanation explanation = prediction.explanation.value();
      EXPECT_EQ(explanation.rows, 32);
      sum += explanation.share.value();
      highest = std::max(highest, brightest(explanation));
    }
    EXPECT_NEAR(sum, 1.0, 1e-9);
    EXPECT_EQ(highest, 191.0);  // that of one of them, three quarters opaque
  }
}

TEST_F(StackExplainerTest, ASliceOfNoUseLeavesTheOthersToBeExplained) {
  const Answer answer = ask_for(named({{"1.png", plain_}, {"2.png", Bytes(90, std::byte{1})}, {"3.png", blob_}})).get();
  const auto& outcomes = std::get<std::vector<SliceOutcome>>(answer);
  EXPECT_EQ(std::get<SliceFailure>(outcomes.at(1)).code, "unknown_format");
  const Explanation first = std::get<Prediction>(outcomes.at(0)).explanation.value();
  const Explanation last = std::get<Prediction>(outcomes.at(2)).explanation.value();
  EXPECT_NEAR(first.share.value() + last.share.value(), 1.0, 1e-9);
}

/// The outline's picture of a nodule that the model gives these probabilities, from its definition: what is inside,
/// beside what is not.
void expect_outline_of(const cv::Mat& p, const NoduleOutline& nodule) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(nodule.png.data());
  const cv::Mat picture =
      cv::imdecode(std::vector<unsigned char>(bytes, bytes + nodule.png.size()), cv::IMREAD_UNCHANGED);
  ASSERT_EQ(picture.size(), p.size());
  ASSERT_EQ(picture.type(), CV_8UC4);
  const auto inside = [&](int row, int column) {
    return row >= 0 && column >= 0 && row < p.rows && column < p.cols && p.at<float>(row, column) >= 0.5F;
  };
  int area_px = 0;
  for (int row = 0; row < p.rows; ++row) {
    for (int column = 0; column < p.cols; ++column) {
      area_px += inside(row, column) ? 1 : 0;
      const bool within =
          inside(row - 1, column) && inside(row + 1, column) && inside(row, column - 1) && inside(row, column + 1);
      const int opacity = inside(row, column) && !within ? 255 : 0;
      ASSERT_EQ(picture.at<cv::Vec4b>(row, column)[3], opacity) << row << ' ' << column;
    }
  }
  EXPECT_EQ(nodule.area_px, area_px);
  EXPECT_EQ(nodule.largest_probability, *std::max_element(p.begin<float>(), p.end<float>()));
}

TEST_F(ExplainerTest, OutlinesNothingWhereTheModelDoesNot) {
  start();
  EXPECT_FALSE(prediction_of(ask(encoded(chest_picture()))).explanation.value().nodule.has_value());
}

TEST_F(ExplainerTest, OutlinesTheNoduleWhereTheModelDoes) {
  cv::Mat p(64, 64, CV_32FC1, cv::Scalar(0.25));
  p(cv::Rect(20, 30, 5, 4)) = 0.5;
  p.at<float>(31, 22) = 0.875F;
  p(cv::Rect(60, 60, 4, 4)) = 0.75;  // up to the edge of the picture
  predictor_->outline(p);
  start();
  const auto prediction = prediction_of(ask(encoded(chest_picture())));
  const NoduleOutline nodule = prediction.explanation.value().nodule.value();
  EXPECT_EQ(nodule.area_px, 36);
  EXPECT_EQ(nodule.largest_probability, 0.875);
  expect_outline_of(p, nodule);
}

TEST_F(ExplainerTest, SaysWhenThereIsNoNoduleToOutline) {
  const cv::Mat p(64, 64, CV_32FC1, cv::Scalar(0.125));
  predictor_->outline(p);
  start();
  const auto prediction = prediction_of(ask(encoded(chest_picture())));
  const NoduleOutline nodule = prediction.explanation.value().nodule.value();
  EXPECT_EQ(nodule.area_px, 0);
  expect_outline_of(p, nodule);
}

TEST_F(ExplainerTest, BringsTheOutlineOfARealBundle) {
  const pulmo::testing::TempDir folder;
  pulmo::testing::write_test_bundle(folder / "bundle.pt", {.network = "unet_densenet", .size_px = 32});
  const auto predictor = load_predictor(folder / "bundle.pt");
  model_ = std::make_shared<ServedModel>("outlines", "1", predictor, BatcherOptions{});
  const Bytes png = encoded(chest_picture(true));
  const auto ready = preprocess(decode_slice(png, "x"), predictor->metadata().spec);
  start();
  const auto prediction = prediction_of(ask(png, ExplainMethod::kOcclusion));
  expect_outline_of(predictor->outlines(batch_of(ready.image, 1)).at(0), prediction.explanation.value().nodule.value());
}

}  // namespace
}  // namespace pulmo::serving
