#include "serving/explainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "core/image/slice_decoder.h"
#include "tests/serving/fake_predictor.h"
#include "tests/serving/sample_slices.h"

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

}  // namespace
}  // namespace pulmo::serving
