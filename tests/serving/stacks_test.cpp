#include "serving/stacks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>

#include "core/image/preprocess.h"
#include "core/image/slice_decoder.h"
#include "serving/service.h"
#include "tests/serving/sample_slices.h"

namespace pulmo::serving {
namespace {

using ::testing::ElementsAre;
using testing::encoded;

constexpr std::int64_t kDepth = 3;

/// A model of volumes whose answer tells which slice stood where: p(malignant) is the mean of the slices' first pixels,
/// weighed 1, 2, 4. Its attention is even over the slices that are there.
class StackPredictor final : public Predictor {
 public:
  std::function<void()> before_run;

  StackPredictor() {
    metadata_.row = "stacks";
    metadata_.depth = kDepth;
    metadata_.class_names = {"normal", "malignant"};
    metadata_.positive_class = "malignant";
    metadata_.spec.size_px = 64;
    metadata_.spec.mask = LungMasking::kNone;
  }
  static double answer(double below, double middle, double above) { return (below + 2.0 * middle + 4.0 * above) / 7.0; }

  std::vector<double> predict(const ImageBatch& batch) const override {
    EXPECT_EQ(batch.depth, kDepth);
    if (before_run) before_run();
    std::vector<double> probabilities;
    for (std::int64_t i = 0; i < batch.count; ++i) {
      const double p = answer(first(batch, i, 0), first(batch, i, 1), first(batch, i, 2));
      probabilities.push_back(1.0 - p);
      probabilities.push_back(p);
    }
    return probabilities;
  }
  std::vector<double> slice_weights(const ImageBatch& batch) const override {
    std::vector<double> weights;
    for (std::int64_t z = 0; z < kDepth; ++z) weights.push_back(first(batch, 0, z) > 0.0 ? 1.0 : 0.0);
    double sum = 0.0;
    for (const double weight : weights) sum += weight;
    for (double& weight : weights) weight /= sum;
    return weights;
  }
  const BundleMetadata& metadata() const override { return metadata_; }
  const std::string& sha256() const override { return sha256_; }

 private:
  static double first(const ImageBatch& batch, std::int64_t sample, std::int64_t slice) {
    const std::int64_t plane = batch.height * batch.width;
    return batch.pixels.at(static_cast<std::size_t>((sample * kDepth + slice) * plane)) / 65535.0;
  }
  BundleMetadata metadata_;
  std::string sha256_ = "0123";
};

/// A picture whose first pixel is so bright, and what the preprocessing makes of that pixel.
Bytes picture(int brightness) {
  cv::Mat drawn = testing::chest_picture();
  drawn(cv::Rect(0, 0, 16, 16)) = cv::Scalar(brightness);
  return encoded(drawn);
}
double value_of(int brightness) {
  const PreprocessedSlice twin = preprocess(decode_slice(picture(brightness), "x"), StackPredictor().metadata().spec);
  return twin.image.at<std::uint16_t>(0, 0) / 65535.0;
}

class StacksTest : public ::testing::Test {
 protected:
  StacksTest() {
    ServiceOptions options;
    options.workers = 2;
    options.per_request = 1;
    service_ = std::make_unique<Service>(models_, options, metrics_);
    models_.install("stacks", "1", predictor_);
  }
  Answer answer_to(std::vector<Upload> uploads, const PredictOptions& options = {}) {
    std::promise<Answer> promise;
    service_->predict(models_.find(""), std::move(uploads), options,
                      [&](Answer answer) { promise.set_value(std::move(answer)); });
    return promise.get_future().get();
  }
  std::vector<SliceOutcome> send(std::vector<Upload> uploads) {
    return std::get<std::vector<SliceOutcome>>(answer_to(std::move(uploads)));
  }
  static double score(const SliceOutcome& outcome) { return std::get<Prediction>(outcome).probabilities.at(1); }

  std::shared_ptr<StackPredictor> predictor_ = std::make_shared<StackPredictor>();
  Metrics metrics_;
  ModelRepository models_{{}, {}, metrics_};
  std::unique_ptr<Service> service_;
};

TEST_F(StacksTest, OneSliceIsTheMiddleOfAVolume) {
  const auto results = send({{"a.png", picture(100)}});
  EXPECT_NEAR(score(results.at(0)), StackPredictor::answer(0.0, value_of(100), 0.0), 1e-12);
  EXPECT_EQ(std::get<Prediction>(results[0]).attention, 1.0);
  EXPECT_GT(std::get<Prediction>(results[0]).times.infer_s, 0.0);
  EXPECT_TRUE(std::get<Prediction>(results[0]).sample.empty());
}

TEST_F(StacksTest, PicturesOfOneRequestAreOneStackInTheOrderOfTheirNames) {
  const auto results = send({{"c.png", picture(200)}, {"a.png", picture(50)}, {"b.png", picture(120)}});
  const double expected = StackPredictor::answer(value_of(50), value_of(120), value_of(200));
  for (const SliceOutcome& outcome : results) EXPECT_NEAR(score(outcome), expected, 1e-12);
  EXPECT_EQ(std::get<Prediction>(results[0]).name, "c.png");
  EXPECT_NEAR(*std::get<Prediction>(results[0]).attention, 1.0 / 3.0, 1e-12);
}

TEST_F(StacksTest, NumbersInNamesGoByTheirValue) {
  const auto results = send({{"IM10", picture(200)}, {"IM2", picture(120)}, {"IM1", picture(50)}});
  EXPECT_NEAR(score(results[0]), StackPredictor::answer(value_of(50), value_of(120), value_of(200)), 1e-12);
}

TEST_F(StacksTest, SlicesAreCountedWhenTheModelHasJudgedThem) {
  const auto progress = std::make_shared<Progress>();
  std::vector<std::size_t> counted;
  predictor_->before_run = [&] { counted.push_back(progress->done); };
  const std::vector<Upload> files = {{"a", picture(50)}, {"b", Bytes(100, std::byte{'x'})}, {"c", picture(200)}};
  answer_to(files, {.progress = progress});
  EXPECT_THAT(counted, ElementsAre(1));  // the one that was refused
  EXPECT_EQ(progress->done, 3U);
  std::vector<Upload> many(4, {"a", picture(50)});
  answer_to(std::move(many), {.progress = progress});
  EXPECT_THAT(counted, ElementsAre(1, 3, 4, 5, 6));  // each slice of a longer series by itself
  EXPECT_EQ(progress->done, 7U);
}

TEST_F(StacksTest, CancellingLeavesOutTheStacksWhoseTurnHasNotCome) {
  const auto progress = std::make_shared<Progress>();
  int runs = 0;
  predictor_->before_run = [&] {
    ++runs;
    progress->cancelled = true;
  };
  const Answer answer = answer_to(std::vector<Upload>(6, {"a", picture(50)}), {.progress = progress});
  EXPECT_EQ(std::get<ServiceFailure>(answer).code, "cancelled");
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(progress->done, 1U);
}

TEST_F(StacksTest, OfManySlicesEachIsJudgedAmongItsNeighbours) {
  std::vector<Upload> uploads;
  const std::vector<int> brightness = {30, 60, 90, 120, 150};
  for (std::size_t i = 0; i < 5; ++i)
    uploads.push_back({std::string(1, static_cast<char>('a' + i)), picture(brightness[i])});
  const auto results = send(std::move(uploads));
  EXPECT_NEAR(score(results[0]), StackPredictor::answer(0.0, value_of(30), 0.0), 1e-12);
  for (std::size_t i = 1; i < 4; ++i) {
    const double expected =
        StackPredictor::answer(value_of(brightness[i - 1]), value_of(brightness[i]), value_of(brightness[i + 1]));
    EXPECT_NEAR(score(results[i]), expected, 1e-12) << i;
  }
  // The fourth one's stack is the most suspicious: its three slices share the attention, the others have none.
  EXPECT_FALSE(std::get<Prediction>(results[0]).attention);
  EXPECT_NEAR(*std::get<Prediction>(results[4]).attention, 1.0 / 3.0, 1e-12);
}

TEST_F(StacksTest, ARefusedFileIsLeftOutOfTheStack) {
  const auto results = send({{"a", picture(50)}, {"b", Bytes(100, std::byte{'x'})}, {"c", picture(200)}});
  EXPECT_EQ(std::get<SliceFailure>(results[1]).code, "unknown_format");
  EXPECT_NEAR(score(results[0]), StackPredictor::answer(value_of(50), value_of(200), 0.0), 1e-12);
  EXPECT_EQ(score(results[0]), score(results[2]));
}

TEST_F(StacksTest, NothingButRefusedFilesIsNoStack) {
  const auto results = send({{"b", Bytes(100, std::byte{'x'})}});
  EXPECT_EQ(std::get<SliceFailure>(results.at(0)).code, "unknown_format");
}

Prediction placed(const std::string& series, double z_mm) {
  Prediction prediction;
  prediction.place.series = series;
  prediction.place.has_position = true;
  prediction.place.position_mm = {0.0, 0.0, z_mm};
  return prediction;
}

TEST(PlanStacks, GoesByPositionWithinEachSeries) {
  const std::vector<SliceOutcome> slices = {placed("a", 5.0), placed("b", 1.0), placed("a", 1.0),
                                            placed("a", 3.0), placed("b", 2.0), placed("c", 7.0)};
  const StackPlan plan = plan_stacks(slices, 3);
  EXPECT_THAT(plan.stacks, ElementsAre(ElementsAre(2, 3, 0), ElementsAre(1, 4), ElementsAre(5)));
  EXPECT_THAT(plan.groups, ElementsAre(ElementsAre(0), ElementsAre(1), ElementsAre(2)));
  EXPECT_EQ(plan.stack_of[4], 1U);
}

TEST(PlanStacks, TakesAsManyNeighboursBelowAsAbove) {
  std::vector<SliceOutcome> slices;
  for (int z = 0; z < 7; ++z) slices.push_back(placed("a", z));
  const StackPlan plan = plan_stacks(slices, 5);
  EXPECT_THAT(plan.stacks[0], ElementsAre(0));
  EXPECT_THAT(plan.stacks[1], ElementsAre(0, 1, 2));
  EXPECT_THAT(plan.stacks[3], ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(plan.stacks[6], ElementsAre(6));
}

}  // namespace
}  // namespace pulmo::serving
