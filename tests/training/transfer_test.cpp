#include <gmock/gmock.h>

#include <ATen/Parallel.h>

#include "core/support/error.h"
#include "tests/support/process.h"
#include "tests/support/test_paths.h"
#include "tests/training/small_run.h"

namespace pulmo::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::largest_difference;
using testing::small_options;
using testing::SmallRun;

/// Training of the SqueezeNet row from a weight file that Python wrote: one epoch of the classifier, then two of all.
class TransferTest : public ::testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    const auto script = pulmo::testing::source_dir() / "tests/golden/backbone_twin.py";
    const auto made = pulmo::testing::run_process({pulmo::testing::python(), script, "make", "squeezenet", file_});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    options_.model.name = "squeezenet";
    options_.training.epochs = 3;
    options_.transfer.squeezenet = file_;
    options_.transfer.frozen_epochs = 1;
  }

  Trainer trainer(const std::string& name) {
    return Trainer(run_.input(options_, Precision::kFp32, run_.folder(name), alone_));
  }
  // Trains and stops after so many steps.
  NamedTensors after_steps(int steps, const std::string& name) {
    TrainerInput input = run_.input(options_, Precision::kFp32, run_.folder(name), alone_);
    int asked = 0;
    input.interrupted = [&] { return ++asked >= steps; };
    Trainer stopped(input);
    EXPECT_THROW(stopped.run(), Interrupted);
    return stopped.weights();
  }
  static double change(const NamedTensors& before, const NamedTensors& after, const std::string& name) {
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (before[i].first == name) return (before[i].second - after[i].second).abs().max().item<double>();
    }
    ADD_FAILURE() << "no weight " << name;
    return 0.0;
  }

  const Communicator alone_ = Communicator::alone();
  const SmallRun run_{alone_, {.size_px = 32, .patients = 12}};
  const std::filesystem::path file_ = run_.folder("weights") / "squeezenet.pth";
  FitOptions options_ = small_options();
};

TEST_F(TransferTest, TrainsTheClassifierFirstAndThenAllButWhatIsFixed) {
  const NamedTensors start = trainer("start").weights();
  const NamedTensors early = after_steps(2, "early");
  EXPECT_GT(change(start, early, "classifier.weight"), 0.0);
  EXPECT_EQ(change(start, early, "features_0.weight"), 0.0);
  EXPECT_EQ(change(start, early, "features_12.expand3x3.weight"), 0.0);
  Trainer whole = trainer("whole");
  whole.run();
  EXPECT_GT(change(start, whole.weights(), "features_0.weight"), 0.0);
  EXPECT_GT(change(start, whole.weights(), "features_12.expand3x3.weight"), 0.0);
  EXPECT_EQ(change(start, whole.weights(), "input.scale"), 0.0);
}

TEST_F(TransferTest, TheBackbonesShareOfTheRateBoundsItsSteps) {
  options_.transfer.frozen_epochs = 0;
  options_.transfer.backbone_rate = 0.01;
  const NamedTensors start = trainer("start").weights();
  const NamedTensors after = after_steps(1, "after");
  // Adam's first step is at most the learning rate.
  EXPECT_LE(change(start, after, "features_0.weight"), 0.01 * options_.schedule.learning_rate * 1.01);
  EXPECT_GT(change(start, after, "classifier.weight"), 0.5 * options_.schedule.learning_rate);
}

TEST_F(TransferTest, ResumesAcrossTheUnfreezingBitForBit) {
  Trainer straight = trainer("straight");
  straight.run();
  after_steps(3, "resumed");  // of about five an epoch
  const CheckpointStore store(run_.folder("resumed") / "checkpoints", 2);
  Trainer resumed = trainer("resumed");
  auto checkpoint = load_newest(store, alone_);
  ASSERT_TRUE(checkpoint.has_value());
  resumed.resume(std::move(*checkpoint));
  resumed.run();
  EXPECT_EQ(largest_difference(straight.weights(), resumed.weights()), 0.0);
}

TEST_F(TransferTest, WantsItsWeightFile) {
  options_.transfer.squeezenet = "";
  try {
    trainer("none");
    ADD_FAILURE();
  } catch (const InvalidInput& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("squeezenet"), HasSubstr("transfer.squeezenet")));
  }
}

TEST_F(TransferTest, AnotherWeightFileIsAnotherRun) {
  const std::string one = run_identity(options_, "data");
  const auto other = run_.folder("weights") / "other.pth";
  std::filesystem::copy_file(file_, other);
  options_.transfer.squeezenet = other;
  EXPECT_EQ(run_identity(options_, "data"), one);  // the content counts, not the name
  std::filesystem::resize_file(other, 1000);
  EXPECT_NE(run_identity(options_, "data"), one);
}

}  // namespace
}  // namespace pulmo::training
