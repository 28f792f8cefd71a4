#include "training/trainer.h"

#include <gmock/gmock.h>

#include <ATen/Parallel.h>

#include <limits>

#include "core/support/bytes.h"
#include "core/support/error.h"
#include "tests/training/small_run.h"

namespace pulmo::training {
namespace {

using testing::largest_difference;
using testing::small_options;
using testing::SmallRun;

class TrainerTest : public ::testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(1); }

  const Communicator alone_ = Communicator::alone();
  const SmallRun run_{alone_};
  FitOptions options_ = small_options();

  NamedTensors train_straight(Precision precision, const std::string& name) {
    Trainer trainer(run_.input(options_, precision, run_.folder(name), alone_));
    trainer.run();
    return trainer.weights();
  }

  // Stops after `polls` questions, then goes on in a new trainer from the checkpoint, until done.
  NamedTensors train_interrupted(int polls, const std::string& name) {
    const auto folder = run_.folder(name);
    const CheckpointStore store(folder / "checkpoints", 2);
    for (int attempt = 0; attempt < 100; ++attempt) {
      TrainerInput input = run_.input(options_, Precision::kFp32, folder, alone_);
      int asked = 0;
      input.interrupted = [&] { return ++asked > polls; };
      Trainer trainer(input);
      if (auto checkpoint = load_newest(store, alone_)) trainer.resume(std::move(*checkpoint));
      try {
        trainer.run();
        EXPECT_GT(attempt, 0) << "it was never interrupted";
        return trainer.weights();
      } catch (const Interrupted&) {
      }
    }
    ADD_FAILURE() << "it never came to an end";
    return {};
  }
};

TEST_F(TrainerTest, RepeatsItselfBitForBit) {
  EXPECT_EQ(largest_difference(train_straight(Precision::kFp32, "a"), train_straight(Precision::kFp32, "b")), 0.0);
}

TEST_F(TrainerTest, InterruptedAndResumedEqualsUndisturbedBitForBit) {
  const NamedTensors straight = train_straight(Precision::kFp32, "straight");
  EXPECT_EQ(largest_difference(straight, train_interrupted(1, "every-second-step")), 0.0);
  EXPECT_EQ(largest_difference(straight, train_interrupted(3, "every-fourth-step")), 0.0);
}

// Warm-up ends, and the cosine begins, within the first epoch: a schedule that began anew would show.
TEST_F(TrainerTest, InterruptedAndResumedGoesOnInItsSchedule) {
  options_.schedule = {ScheduleKind::kCosine, 0.01, 0.6, 0.05};
  const NamedTensors straight = train_straight(Precision::kFp32, "straight");
  EXPECT_EQ(largest_difference(straight, train_interrupted(1, "every-second-step")), 0.0);
  EXPECT_EQ(largest_difference(straight, train_interrupted(3, "every-fourth-step")), 0.0);
}

TEST_F(TrainerTest, ResumedRunHasTheSameLogAndTheSameBest) {
  train_straight(Precision::kFp32, "straight");
  train_interrupted(2, "resumed");
  const auto losses = [&](const std::string& name) {
    std::vector<std::string> found;
    const std::string text = read_text_file(run_.folder(name) / "log.jsonl");
    for (std::size_t at = text.find("\"train\":"); at != std::string::npos; at = text.find("\"train\":", at + 1)) {
      found.push_back(text.substr(at, text.find("\"learning_rate\"", at) - at));
    }
    return found;
  };
  EXPECT_EQ(losses("straight").size(), 2U);
  EXPECT_EQ(losses("straight"), losses("resumed"));
}

TEST_F(TrainerTest, GoesOnFromTheCheckpointBeforeACorruptOne) {
  const NamedTensors straight = train_straight(Precision::kFp32, "straight");
  const auto folder = run_.folder("straight");
  const CheckpointStore store(folder / "checkpoints", 2);
  std::filesystem::resize_file(folder / "checkpoints" / store.names().back(), 1000);
  auto checkpoint = load_newest(store, alone_);
  ASSERT_TRUE(checkpoint.has_value());
  EXPECT_EQ(checkpoint->progress.epoch, 1);
  Trainer trainer(run_.input(options_, Precision::kFp32, folder, alone_));
  trainer.resume(std::move(*checkpoint));
  trainer.run();
  EXPECT_EQ(largest_difference(straight, trainer.weights()), 0.0);
}

TEST_F(TrainerTest, LearnsWhatThereIsToLearn) {
  options_.training.epochs = 8;
  const SmallRun clear(alone_, {.size_px = 16, .patients = 12, .contrast = 0.8});
  Trainer trainer(clear.input(options_, Precision::kFp32, clear.folder("learns"), alone_));
  trainer.run();
  EXPECT_GE(trainer.best().roc_auc, 0.95);
}

TEST_F(TrainerTest, Bf16StaysNearFp32) {
  options_.model.dropout = 0.0;
  const NamedTensors exact = train_straight(Precision::kFp32, "fp32");
  const NamedTensors rounded = train_straight(Precision::kBf16, "bf16");
  const double difference = largest_difference(exact, rounded);
  EXPECT_GT(difference, 0.0);
  EXPECT_LT(difference, 0.02);  // 10 steps of at most 0.001 each way
}

TEST_F(TrainerTest, PiecesOfABatchGiveTheWeightsOfTheWholeBatch) {
  const NamedTensors whole = train_straight(Precision::kFp64, "whole");
  const NamedTensors rounded = train_straight(Precision::kBf16, "rounded");
  for (const std::int64_t pieces : {2, 3, 8, 100}) {
    options_.training.accumulate = pieces;
    const std::string name = "pieces-" + std::to_string(pieces);
    EXPECT_LE(largest_difference(whole, train_straight(Precision::kFp64, name)), 1e-10);
    EXPECT_LE(largest_difference(rounded, train_straight(Precision::kBf16, name + "-bf16")), 0.02);
  }
}

TEST_F(TrainerTest, InterruptedAndResumedKeepsTheAverageBitForBit) {
  options_.training.ema_decay = 0.9;
  const auto folder = [&](const std::string& name) { return run_.folder(name); };
  Trainer straight(run_.input(options_, Precision::kFp32, folder("straight"), alone_));
  straight.run();
  train_interrupted(2, "resumed");
  const auto last = load_newest(CheckpointStore(folder("resumed") / "checkpoints", 2), alone_);
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(largest_difference(straight.weights(), last->weights), 0.0);
  EXPECT_EQ(largest_difference(straight.average(), last->average), 0.0);
  EXPECT_EQ(largest_difference(straight.best_weights(), last->best_weights), 0.0);
}

// The first epoch is always the best so far: its average is kept, not the weights.
TEST_F(TrainerTest, TheAverageIsWhatIsJudgedAndKept) {
  options_.training.epochs = 1;
  const NamedTensors weights = train_straight(Precision::kFp32, "plain");
  options_.training.ema_decay = 0.9;
  Trainer averaged(run_.input(options_, Precision::kFp32, run_.folder("averaged"), alone_));
  averaged.run();
  EXPECT_EQ(largest_difference(averaged.weights(), weights), 0.0);  // training itself is the same
  EXPECT_EQ(largest_difference(averaged.best_weights(), averaged.average()), 0.0);
  EXPECT_GT(largest_difference(averaged.average(), weights), 0.0);

  Weights kept(make_network(run_.input(options_, Precision::kFp32, {}, alone_).network), Precision::kFp32);
  kept.restore(averaged.average());
  ImageCache cache(run_.data().validation, 0);
  const auto judged =
      validate({kept, cache, run_.data().validation, alone_, options_.evaluation.batch_size, 1}, [] { return false; });
  EXPECT_EQ(averaged.best().loss, judged->loss);
}

TEST_F(TrainerTest, StopsEarlyWhenValidationNoLongerImproves) {
  options_.training.epochs = 40;
  options_.training.early_stopping_epochs = 2;
  options_.schedule.learning_rate = 1e-9;  // nothing can improve
  Trainer trainer(run_.input(options_, Precision::kFp32, run_.folder("early"), alone_));
  trainer.run();
  EXPECT_LT(trainer.progress().epoch, 40);
  EXPECT_EQ(trainer.progress().epoch - 1 - trainer.best().epoch, 2);
}

TEST_F(TrainerTest, NamesTheBatchWhenTheLossIsNotFinite) {
  Trainer trainer(run_.input(options_, Precision::kFp32, run_.folder("diverges"), alone_));
  NamedTensors weights = trainer.weights();
  weights.front().second.fill_(std::numeric_limits<float>::infinity());
  Checkpoint poisoned;
  poisoned.weights = weights;
  for (const auto& [name, tensor] : weights) {
    poisoned.moments.emplace_back("first." + name, torch::zeros_like(tensor));
    poisoned.moments.emplace_back("second." + name, torch::zeros_like(tensor));
  }
  try {
    trainer.resume(std::move(poisoned));
    trainer.run();
    FAIL() << "it went on";
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "diverged");
    EXPECT_THAT(error.what(), ::testing::ContainsRegex("epoch 1, step 1 .batch of train-[0-9]+.h5 sample"));
    EXPECT_THAT(error.what(), ::testing::Not(::testing::HasSubstr("TEST-")));
  }
}

TEST_F(TrainerTest, EndsAtAValidationLossThatIsNotFinite) {
  options_.training.batch_size = 1000;  // one step an epoch: what it ruins shows in validation first
  options_.schedule.warmup_epochs = 0;
  options_.schedule.learning_rate = 1e30;
  Trainer trainer(run_.input(options_, Precision::kFp32, run_.folder("ruined"), alone_));
  try {
    trainer.run();
    FAIL() << "it went on";
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "diverged");
    EXPECT_THAT(error.what(), ::testing::HasSubstr("validation loss"));
  }
}

TEST_F(TrainerTest, CacheMakesNoDifference) {
  const NamedTensors cached = train_straight(Precision::kFp32, "cached");
  options_.compute.cache_mib = 0;
  EXPECT_EQ(largest_difference(cached, train_straight(Precision::kFp32, "uncached")), 0.0);
}

/// Single steps of one rank in double precision.
class StepTest : public TrainerTest {
 protected:
  Meter backward(TrainingStep& step, const std::vector<std::int64_t>& samples) {
    BatchLoader loader(cache_, run_.data().train, {samples}, {});
    return step.backward(*loader.next(), static_cast<std::int64_t>(samples.size()));
  }

  const TrainerInput input_ = run_.input(options_, Precision::kFp64, run_.folder("step"), alone_);
  Weights weights_{make_network(input_.network), Precision::kFp64};
  Adam adam_{weights_, options_.adam};
  const std::unique_ptr<GradientSync> sync_ = make_local_sync();
  ImageCache cache_{run_.data().train, 0};
};

TEST_F(StepTest, ClassWeightsScaleTheLossOfTheirClass) {
  const auto loss = [&](double first, double second) {
    TrainingStep step({weights_, adam_, *sync_, run_.data().manifest.shape, {first, second}, {}});
    return backward(step, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}).loss;
  };
  EXPECT_GT(loss(1.0, 0.0), 0.0);
  EXPECT_GT(loss(0.0, 1.0), 0.0);
  EXPECT_NEAR(loss(3.0, 0.5), 3.0 * loss(1.0, 0.0) + 0.5 * loss(0.0, 1.0), 1e-12);
}

// gamma 1 and one sample: the loss is (1 - p) times the cross-entropy, -log p.
TEST_F(StepTest, FocalLossCountsWhatIsWrong) {
  const auto loss = [&](double gamma) {
    TrainingStep step({weights_, adam_, *sync_, run_.data().manifest.shape, {1.0, 1.0}, {}, gamma});
    return backward(step, {0}).loss;
  };
  const double plain = loss(0.0);
  EXPECT_NEAR(loss(1.0), (1.0 - std::exp(-plain)) * plain, 1e-12);
  EXPECT_NEAR(loss(2.5), std::pow(1.0 - std::exp(-plain), 2.5) * plain, 1e-12);
}

TEST_F(StepTest, FocalLossOfACertainSampleHasAGradient) {
  torch::Tensor& bias = weights_.masters().back();
  TrainingStep step({weights_, adam_, *sync_, run_.data().manifest.shape, {1.0, 1.0}, {}, 0.5});
  for (const int certain : {0, 1}) {
    {
      const torch::NoGradGuard no_gradient;
      bias.zero_()[certain] = 1000.0;
    }
    backward(step, {0});
    step.exchange();
    EXPECT_TRUE(std::isfinite(step.clip(1e300)));
  }
}

TEST_F(StepTest, ClippingShortensTheGradientToTheBound) {
  TrainingStep step({weights_, adam_, *sync_, run_.data().manifest.shape, {1.0, 1.0}, {}});
  const auto norm_after = [&](double longest) {
    backward(step, {0, 1, 2, 3});
    step.exchange();
    step.clip(longest);
    return step.clip(1e300);  // tells the norm, and leaves the gradients
  };
  const double whole = norm_after(1e300);
  EXPECT_GT(whole, 0.0);
  EXPECT_NEAR(norm_after(0.5 * whole), 0.5 * whole, 1e-12);
  EXPECT_NEAR(norm_after(2.0 * whole), whole, 1e-12);
  EXPECT_NEAR(norm_after(0.0), whole, 1e-12);
}

}  // namespace
}  // namespace pulmo::training
