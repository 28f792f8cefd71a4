#include "serving/explainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <opencv2/imgcodecs.hpp>
#include <thread>

#include "core/image/preprocess.h"
#include "core/image/slice_decoder.h"
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
  std::future<Explainer::Outcome> ask(Bytes data, ExplainMethod method = ExplainMethod::kAuto) {
    auto promise = std::make_shared<std::promise<Explainer::Outcome>>();
    auto future = promise->get_future();
    explainer_->explain(model_, {"x", std::move(data)}, method,
                        [promise](Explainer::Outcome outcome) { promise->set_value(std::move(outcome)); });
    return future;
  }

  std::shared_ptr<FakePredictor> predictor_ = std::make_shared<FakePredictor>(64);
  std::shared_ptr<ServedModel> model_ = std::make_shared<ServedModel>("fake", "7", predictor_, BatcherOptions{});
  Metrics metrics_;
  std::unique_ptr<Explainer> explainer_;
};

TEST_F(ExplainerTest, ExplainsByOcclusionWhereThereAreNoGradients) {
  start();
  const auto prediction = std::get<Prediction>(ask(encoded(chest_picture())).get());
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
    const auto outcome = ask(encoded(chest_picture()), method).get();
    EXPECT_EQ(std::get<SliceFailure>(outcome).code, "no_gradients");
  }
}

TEST_F(ExplainerTest, SaysWhyASliceIsOfNoUse) {
  start();
  EXPECT_EQ(std::get<SliceFailure>(ask(Bytes(100, std::byte{'x'})).get()).code, "unknown_format");
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
  EXPECT_EQ(std::get<ServiceFailure>(ask(encoded(chest_picture())).get()).code, "queue_full");
  EXPECT_EQ(explainer_->in_progress(), 2U);
  predictor_->release();
  EXPECT_TRUE(std::holds_alternative<Prediction>(running.get()));
  EXPECT_TRUE(std::holds_alternative<Prediction>(waiting.get()));
  EXPECT_EQ(explainer_->in_progress(), 0U);
}

TEST_F(ExplainerTest, GivesUpAtTheDeadline) {
  ExplainOptions options;
  options.deadline = 0ms;
  start(options);
  EXPECT_EQ(std::get<ServiceFailure>(ask(encoded(chest_picture())).get()).code, "deadline");
}

TEST_F(ExplainerTest, SurvivesAModelThatFails) {
  start();
  predictor_->fail();
  EXPECT_EQ(std::get<ServiceFailure>(ask(encoded(chest_picture())).get()).code, "internal");
}

TEST_F(ExplainerTest, ClosingStopsWhatRunsAndFailsWhatWaits) {
  start();
  predictor_->hold();
  auto running = ask(encoded(chest_picture()));
  predictor_->wait_for_runs(1);
  auto waiting = ask(encoded(chest_picture()));
  std::thread closer([this] { explainer_->close(); });
  EXPECT_EQ(std::get<ServiceFailure>(waiting.get()).code, "shutting_down");
  predictor_->release();
  closer.join();
  EXPECT_EQ(std::get<ServiceFailure>(running.get()).code, "shutting_down");
  EXPECT_EQ(std::get<ServiceFailure>(ask(encoded(chest_picture())).get()).code, "shutting_down");
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
  EXPECT_FALSE(std::get<Prediction>(ask(encoded(chest_picture())).get()).explanation.value().nodule.has_value());
}

TEST_F(ExplainerTest, OutlinesTheNoduleWhereTheModelDoes) {
  cv::Mat p(64, 64, CV_32FC1, cv::Scalar(0.25));
  p(cv::Rect(20, 30, 5, 4)) = 0.5;
  p.at<float>(31, 22) = 0.875F;
  p(cv::Rect(60, 60, 4, 4)) = 0.75;  // up to the edge of the picture
  predictor_->outline(p);
  start();
  const auto prediction = std::get<Prediction>(ask(encoded(chest_picture())).get());
  const NoduleOutline nodule = prediction.explanation.value().nodule.value();
  EXPECT_EQ(nodule.area_px, 36);
  EXPECT_EQ(nodule.largest_probability, 0.875);
  expect_outline_of(p, nodule);
}

TEST_F(ExplainerTest, SaysWhenThereIsNoNoduleToOutline) {
  const cv::Mat p(64, 64, CV_32FC1, cv::Scalar(0.125));
  predictor_->outline(p);
  start();
  const auto prediction = std::get<Prediction>(ask(encoded(chest_picture())).get());
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
  const auto prediction = std::get<Prediction>(ask(png, ExplainMethod::kOcclusion).get());
  expect_outline_of(predictor->outlines(batch_of(ready.image, 1)).at(0), prediction.explanation.value().nodule.value());
}

}  // namespace
}  // namespace pulmo::serving
