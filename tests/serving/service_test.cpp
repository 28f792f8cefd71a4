#include "serving/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "core/image/preprocess.h"
#include "core/image/slice_decoder.h"
#include "serving/preparation.h"
#include "tests/serving/fake_predictor.h"
#include "tests/serving/sample_slices.h"

namespace pulmo::serving {
namespace {

using testing::chest_picture;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::encoded;
using testing::FakePredictor;
using ::testing::HasSubstr;

class ServiceTest : public ::testing::Test {
 protected:
  void start(ServiceOptions options = {}) {
    options.workers = 2;
    service_ = std::make_unique<Service>(models_, options, metrics_);
    models_.install("fake", "7", predictor_);
  }
  std::future<Answer> send(std::vector<Upload> uploads, const PredictOptions& options = {}) {
    auto promise = std::make_shared<std::promise<Answer>>();
    auto future = promise->get_future();
    service_->predict(models_.find(""), std::move(uploads), options,
                      [promise](Answer answer) { promise->set_value(std::move(answer)); });
    return future;
  }
  std::vector<SliceOutcome> outcomes(std::vector<Upload> uploads, const PredictOptions& options = {}) {
    return std::get<std::vector<SliceOutcome>>(send(std::move(uploads), options).get());
  }
  std::string failure_of(Bytes data) { return std::get<SliceFailure>(outcomes({{"x", std::move(data)}}).front()).code; }

  std::shared_ptr<FakePredictor> predictor_ = std::make_shared<FakePredictor>(64);
  Metrics metrics_;
  ModelRepository models_{{}, {}, metrics_};
  std::unique_ptr<Service> service_;
};

TEST_F(ServiceTest, FeedsTheModelWhatThePreprocessingOfTheBundleMakes) {
  predictor_->change_metadata().spec.mask = LungMasking::kNone;
  start();
  const Bytes png = encoded(chest_picture());
  const PreprocessedSlice twin = preprocess(decode_slice(png, "x"), predictor_->metadata().spec);
  const auto prediction = std::get<Prediction>(outcomes({{"a.png", png}}).front());
  EXPECT_DOUBLE_EQ(prediction.probabilities[1], twin.image.at<std::uint16_t>(0, 0) / 65535.0);
  EXPECT_EQ(prediction.name, "a.png");
  EXPECT_EQ(prediction.kind, PixelKind::kGrey);
  EXPECT_DOUBLE_EQ(prediction.lung_fraction, twin.lung_fraction);
}

TEST_F(ServiceTest, PreparesEachSliceForItsOwnModel) {
  const auto larger = std::make_shared<FakePredictor>(96);
  larger->change_metadata().spec.mask = LungMasking::kNone;
  start();
  models_.install("larger", "1", larger);
  const Bytes png = encoded(chest_picture());
  const double twin = preprocess(decode_slice(png, "x"), larger->metadata().spec).image.at<std::uint16_t>(0, 0);
  std::promise<Answer> promise;
  service_->predict(models_.find("larger"), {{"a", png}}, {}, [&](Answer answer) { promise.set_value(answer); });
  const Answer answer = promise.get_future().get();
  const auto& outcome = std::get<std::vector<SliceOutcome>>(answer).front();
  EXPECT_DOUBLE_EQ(std::get<Prediction>(outcome).probabilities[1], twin / 65535.0);
  EXPECT_EQ(std::get<Prediction>(outcomes({{"a", png}}).front()).probabilities[1], 0.0);
}

TEST_F(ServiceTest, KeepsTheOrderOfTheFilesAndFailsThemOneByOne) {
  start();
  const auto results = outcomes({{"good", encoded(chest_picture())},
                                 {"bad", encoded(cv::Mat(64, 64, CV_8UC1, cv::Scalar(7)))},
                                 {"blob", encoded(chest_picture(true))}});
  ASSERT_EQ(results.size(), 3U);
  EXPECT_EQ(std::get<Prediction>(results[0]).name, "good");
  EXPECT_EQ(std::get<SliceFailure>(results[1]).name, "bad");
  EXPECT_EQ(std::get<SliceFailure>(results[1]).code, "constant_image");
  EXPECT_EQ(std::get<Prediction>(results[2]).name, "blob");
}

TEST_F(ServiceTest, SaysWhyAFileCannotBeUsed) {
  start();
  cv::Mat abdomen(256, 256, CV_8UC1, cv::Scalar(5));
  cv::ellipse(abdomen, {128, 132}, {110, 84}, 0, 0, 360, cv::Scalar(200), cv::FILLED);
  Bytes cut = encoded(chest_picture());
  cut.resize(cut.size() / 2);
  EXPECT_EQ(failure_of({}), "unknown_format");
  EXPECT_EQ(failure_of(Bytes(100, std::byte{'x'})), "unknown_format");
  EXPECT_EQ(failure_of(cut), "truncated_image");
  EXPECT_EQ(failure_of(encoded(abdomen)), "no_lung");
  EXPECT_EQ(failure_of(encoded(chest_picture()(cv::Rect(0, 0, 8, 8)))), "too_small");
}

TEST_F(ServiceTest, RefusesHugePicturesByTheirHeader) {
  ServiceOptions options;
  options.decode.max_side_px = 100;
  start(options);
  EXPECT_EQ(failure_of(encoded(chest_picture())), "picture_too_large");
}

TEST_F(ServiceTest, RefusesAtOnceWhatDoesNotFit) {
  ServiceOptions options;
  options.capacity = 2;
  start(options);
  predictor_->hold();
  auto first = send({{"a", encoded(chest_picture())}});
  predictor_->wait_for_runs(1);
  auto second = send({{"b", encoded(chest_picture())}, {"c", encoded(chest_picture())}});
  EXPECT_EQ(std::get<ServiceFailure>(second.get()).code, "queue_full");
  EXPECT_TRUE(service_->has_room());
  auto third = send({{"d", encoded(chest_picture())}});
  EXPECT_FALSE(service_->has_room());
  predictor_->release();
  EXPECT_TRUE(std::holds_alternative<std::vector<SliceOutcome>>(first.get()));
  EXPECT_TRUE(std::holds_alternative<std::vector<SliceOutcome>>(third.get()));
  while (service_->in_progress() > 0) std::this_thread::yield();
  EXPECT_TRUE(service_->has_room());
}

TEST_F(ServiceTest, RoomOfItsOwnLeavesTheQueueAsItWas) {
  ServiceOptions options;
  options.capacity = 1;
  start(options);
  predictor_->hold();
  auto apart = send({{"a", encoded(chest_picture())}}, {.room = Room::kOwn});
  predictor_->wait_for_runs(1);
  EXPECT_EQ(service_->in_progress(), 1U);
  EXPECT_EQ(service_->queue_used(), 0U);
  auto queued = send({{"b", encoded(chest_picture())}});
  EXPECT_FALSE(service_->has_room());
  auto beyond = send({{"c", encoded(chest_picture())}}, {.room = Room::kQueueOrNot});
  EXPECT_EQ(service_->queue_used(), 2U);
  predictor_->release();
  for (auto* answer : {&apart, &queued, &beyond}) {
    EXPECT_TRUE(std::holds_alternative<std::vector<SliceOutcome>>(answer->get()));
  }
  while (service_->in_progress() > 0) std::this_thread::yield();
  EXPECT_EQ(service_->queue_used(), 0U);
}

TEST_F(ServiceTest, PreparesBetweenTheRunsOfAModelThatTakesEveryProcessor) {
  RepositoryOptions repository;
  repository.batch.prepare_in_pauses = true;
  ModelRepository models(repository, {}, metrics_);
  Service service(models, {}, metrics_);
  models.install("fake", "7", predictor_);
  const auto send_to = [&](std::promise<Answer>& promise) {
    service.predict(models.find(""), {{"a", encoded(chest_picture())}}, {},
                    [&](Answer answer) { promise.set_value(std::move(answer)); });
    return promise.get_future();
  };
  const auto decoded = [&] {
    return ::testing::Matches(HasSubstr("pulmo_stage_duration_seconds_count{stage=\"decode\"} 2"))(metrics_.text());
  };
  std::promise<Answer> promises[2];
  predictor_->hold();
  auto first = send_to(promises[0]);
  predictor_->wait_for_runs(1);
  auto second = send_to(promises[1]);
  EXPECT_EQ(second.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
  EXPECT_FALSE(decoded());
  predictor_->release();
  first.get();
  EXPECT_TRUE(std::holds_alternative<std::vector<SliceOutcome>>(second.get()));
  EXPECT_TRUE(decoded());
}

TEST_F(ServiceTest, FailsRequestsThatWaitTooLong) {
  ServiceOptions options;
  options.deadline = std::chrono::milliseconds(0);
  start(options);
  EXPECT_EQ(std::get<ServiceFailure>(send({{"a", encoded(chest_picture())}}).get()).code, "deadline");
}

TEST_F(ServiceTest, ReportsAModelThatFails) {
  predictor_->fail();
  start();
  EXPECT_EQ(std::get<ServiceFailure>(send({{"a", encoded(chest_picture())}}).get()).code, "model_failed");
}

TEST_F(ServiceTest, ClosingFailsWhatIsUnderWay) {
  start();
  predictor_->hold();
  auto running = send({{"a", encoded(chest_picture())}});
  predictor_->wait_for_runs(1);
  auto waiting = send({{"b", encoded(chest_picture())}});
  while (service_->queue_depth() == 0) std::this_thread::yield();
  std::thread closer([&] { service_->close(); });
  EXPECT_EQ(std::get<ServiceFailure>(waiting.get()).code, "shutting_down");
  predictor_->release();
  closer.join();
  EXPECT_TRUE(std::holds_alternative<std::vector<SliceOutcome>>(running.get()));
  EXPECT_EQ(std::get<ServiceFailure>(send({{"c", encoded(chest_picture())}}).get()).code, "shutting_down");
}

TEST_F(ServiceTest, ClosingAnswersWhatWaitsToBePreparedAndOtherWorkToo) {
  start();
  std::promise<void> gate;
  const auto open = gate.get_future().share();
  std::promise<std::string> told;
  for (int i = 0; i < 2; ++i) service_->run([open] { open.wait(); }, [] {});  // both threads of the pool
  auto waiting = send({{"a", encoded(chest_picture())}, {"b", encoded(chest_picture())}});
  service_->run([&] { told.set_value("run"); }, [&] { told.set_value("dropped"); });
  std::thread closer([&] { service_->close(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  gate.set_value();
  closer.join();
  EXPECT_EQ(std::get<ServiceFailure>(waiting.get()).code, "shutting_down");
  EXPECT_EQ(told.get_future().get(), "dropped");
  EXPECT_EQ(service_->in_progress(), 0U);
  EXPECT_EQ(service_->queue_used(), 0U);
}

TEST_F(ServiceTest, GivesAPreviewWhenAsked) {
  start();
  const auto plain = std::get<Prediction>(outcomes({{"a", encoded(chest_picture())}}).front());
  EXPECT_TRUE(plain.preview_png.empty());
  PredictOptions options;
  options.previews = 1;
  const auto shown = std::get<Prediction>(outcomes({{"a", encoded(chest_picture())}}, options).front());
  EXPECT_EQ(decode_slice(shown.preview_png, "preview").pixels.rows, 64);
  EXPECT_TRUE(shown.picture_png.empty());  // of a PNG the browser has its own
}

TEST_F(ServiceTest, GivesPreviewsOfTheFirstSlicesAlone) {
  start();
  const auto results = outcomes({{"a", encoded(chest_picture())}, {"b", encoded(chest_picture())}}, {.previews = 1});
  EXPECT_FALSE(std::get<Prediction>(results[0]).preview_png.empty());
  EXPECT_TRUE(std::get<Prediction>(results[1]).preview_png.empty());
}

TEST_F(ServiceTest, FeedsALargeRequestThroughTheRoomOfAFewSlices) {
  ServiceOptions options;
  options.capacity = 3;
  options.per_request = 2;
  start(options);
  predictor_->hold();
  auto large = send(std::vector<Upload>(20, {"a", encoded(chest_picture())}));
  predictor_->wait_for_runs(1);
  EXPECT_EQ(service_->in_progress(), 2U);
  auto single = send({{"b", encoded(chest_picture())}});
  predictor_->release();
  EXPECT_TRUE(std::holds_alternative<std::vector<SliceOutcome>>(single.get()));
  EXPECT_EQ(std::get<std::vector<SliceOutcome>>(large.get()).size(), 20U);
  EXPECT_EQ(service_->in_progress(), 0U);
}

TEST_F(ServiceTest, CancellingLeavesOutTheSlicesWhoseTurnHasNotCome) {
  ServiceOptions options;
  options.per_request = 2;
  start(options);
  predictor_->hold();
  PredictOptions wishes;
  wishes.progress = std::make_shared<Progress>();
  auto answer = send(std::vector<Upload>(50, {"a", encoded(chest_picture())}), wishes);
  predictor_->wait_for_runs(1);
  wishes.progress->cancelled = true;
  predictor_->release();
  EXPECT_EQ(std::get<ServiceFailure>(answer.get()).code, "cancelled");
  EXPECT_LE(wishes.progress->done, 2U);
  EXPECT_EQ(service_->in_progress(), 0U);
}

TEST_F(ServiceTest, ARequestCancelledBeforeItBeginsIsAnsweredToo) {
  start();
  PredictOptions wishes;
  wishes.progress = std::make_shared<Progress>();
  wishes.progress->cancelled = true;
  EXPECT_EQ(std::get<ServiceFailure>(send({{"a", encoded(chest_picture())}}, wishes).get()).code, "cancelled");
}

TEST_F(ServiceTest, RefusesWhatWasRefusedAlready) {
  start();
  Upload upload{"a.zip", {}};
  upload.refused = Refusal{"nested_zip", "a zip in a zip"};
  EXPECT_EQ(std::get<SliceFailure>(outcomes({upload}).front()).code, "nested_zip");
}

TEST_F(ServiceTest, WarnsOfWhatThePersonShouldKnow) {
  predictor_->change_metadata().phantom = true;
  start();
  const auto jpeg = std::get<Prediction>(outcomes({{"a", encoded(chest_picture(), ".jpg")}}).front());
  EXPECT_THAT(jpeg.warnings, Contains(HasSubstr("phantom")));
  EXPECT_THAT(jpeg.warnings, Contains(HasSubstr("grey values")));
  EXPECT_THAT(jpeg.warnings, Contains(HasSubstr("JPEG")));
  const auto png = std::get<Prediction>(outcomes({{"a", encoded(chest_picture())}}).front());
  EXPECT_THAT(png.warnings, ::testing::Not(Contains(HasSubstr("JPEG"))));
}

TEST_F(ServiceTest, CountsWhatItPredictsAndRefuses) {
  start();
  outcomes({{"a", encoded(chest_picture())}, {"b", Bytes(10)}});
  const std::string text = metrics_.text();
  EXPECT_THAT(text, HasSubstr("pulmo_predictions_total{class=\"normal\",model=\"fake\",version=\"7\"} 1"));
  EXPECT_THAT(text, HasSubstr("pulmo_rejected_total{reason=\"unknown_format\"} 1"));
  EXPECT_THAT(text, HasSubstr("pulmo_stage_duration_seconds_count{stage=\"preprocess\"} 1"));
  EXPECT_THAT(text, HasSubstr("pulmo_batch_size_count{model=\"fake\",version=\"7\"} 1"));
}

TEST_F(ServiceTest, AnswersManyRequestsAtOnce) {
  start();
  const Bytes png = encoded(chest_picture());
  std::vector<std::future<Answer>> answers;
  for (int i = 0; i < 100; ++i) answers.push_back(send({{"a", png}, {"b", png}}));
  for (auto& answer : answers) {
    EXPECT_EQ(std::get<std::vector<SliceOutcome>>(answer.get()).size(), 2U);
  }
}

std::vector<std::string> warnings_of(const PreparedSlice& slice, const BundleMetadata& metadata) {
  Prediction prediction;
  describe(slice, "x", metadata, prediction);
  return prediction.warnings;
}

TEST(Describe, WarnsOfAWholeSliceForAModelOfNodules) {
  PreparedSlice slice;
  slice.ready.kind = PixelKind::kHounsfield;
  slice.decoded.dicom = true;
  BundleMetadata metadata;
  metadata.task = "slice";
  EXPECT_TRUE(warnings_of(slice, metadata).empty());
  metadata.task = "nodule";
  EXPECT_THAT(warnings_of(slice, metadata), Contains(HasSubstr("trained on crops around one nodule, not on whole")));
  metadata.crop = NoduleCrop{32.0, 2.0};
  EXPECT_THAT(warnings_of(slice, metadata),
              Contains(HasSubstr("trained on cubes of 32.0 mm in voxels of 2.0 mm around a nodule")));
  slice.decoded.dicom = false;  // a picture, which may be such a crop
  EXPECT_TRUE(warnings_of(slice, metadata).empty());
}

BundleMetadata metadata_of(std::vector<std::string> classes, const std::string& positive, double threshold) {
  BundleMetadata metadata;
  metadata.class_names = std::move(classes);
  metadata.positive_class = positive;
  metadata.threshold = threshold;
  return metadata;
}

TEST(ChooseClass, FollowsTheOperatingPoint) {
  const BundleMetadata metadata = metadata_of({"normal", "malignant"}, "malignant", 0.3);
  EXPECT_EQ(choose_class(metadata, {0.7, 0.3}), 1U);
  EXPECT_EQ(choose_class(metadata, {0.71, 0.29}), 0U);
}

TEST(ChooseClass, TakesTheBestOfTheOthersBelowTheOperatingPoint) {
  const BundleMetadata metadata = metadata_of({"malignant", "benign", "normal"}, "malignant", 0.9);
  EXPECT_EQ(choose_class(metadata, {0.6, 0.1, 0.3}), 2U);
  EXPECT_EQ(choose_class(metadata, {0.6, 0.3, 0.1}), 1U);
  EXPECT_EQ(choose_class(metadata, {0.95, 0.03, 0.02}), 0U);
}

TEST(ChooseClass, TakesTheMostProbableWithoutAPositiveClass) {
  const BundleMetadata metadata = metadata_of({"a", "b", "c"}, "", 0.1);
  EXPECT_EQ(choose_class(metadata, {0.2, 0.3, 0.5}), 2U);
}

}  // namespace
}  // namespace pulmo::serving
