#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <numeric>

#include "core/support/error.h"
#include "tests/training/small_run.h"
#include "training/scoring.h"
#include "training/watch/run_curves.h"

namespace pulmo::training {
namespace {

using testing::largest_difference;
using testing::small_options;
using testing::SmallRun;

// Batches of 8 from 32 samples, of which a rank of three has two or three: five epochs of four steps are twenty steps,
// with dropout and augmentation on.
constexpr std::int64_t kEpochs = 5;

class DataParallel : public ::testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    options_.training.epochs = kEpochs;
  }

  NamedTensors train(Precision precision, const Communicator& ranks, const std::string& name) {
    Trainer trainer(run_.input(options_, precision, run_.folder(name + std::to_string(trained_++)), ranks));
    trainer.run();
    EXPECT_EQ(trainer.progress().global_step, 20);
    return trainer.weights();
  }

  // From what one rank alone makes of the same global batches; rank 0 computes that, the ranks' weights are the same.
  double difference_from_one_rank(Precision precision) {
    const NamedTensors together = train(precision, world_, "together");
    return world_.is_root() ? largest_difference(together, train(precision, alone_, "alone")) : 0.0;
  }

  const Communicator world_{nullptr, nullptr};
  const Communicator alone_ = Communicator::alone();
  const SmallRun run_{world_, {.size_px = 16, .patients = 12, .samples_per_patient = 4}};
  FitOptions options_ = small_options();
  int trained_ = 0;  ///< so that each training has a folder of its own
};

TEST_F(DataParallel, RanksGiveTheWeightsOfOneRankInDoublePrecision) {
  EXPECT_LE(difference_from_one_rank(Precision::kFp64), 1e-10);
}

TEST_F(DataParallel, RanksGiveTheWeightsOfOneRankInSinglePrecision) {
  EXPECT_LE(difference_from_one_rank(Precision::kFp32), 1e-4);
}

TEST_F(DataParallel, RanksGiveTheWeightsOfOneRankHoweverGradientsTravel) {
  for (const ExchangeChoice overlap : {ExchangeChoice::kOn, ExchangeChoice::kOff}) {
    for (const ExchangeChoice factors : {ExchangeChoice::kOn, ExchangeChoice::kOff}) {
      options_.exchange.overlap = overlap;
      options_.exchange.factors = factors;
      EXPECT_LE(difference_from_one_rank(Precision::kFp64), 1e-10);
    }
  }
}

// One rank takes each batch whole.
TEST_F(DataParallel, RanksGiveTheWeightsOfOneRankInPieces) {
  for (const ExchangeChoice choice : {ExchangeChoice::kOn, ExchangeChoice::kOff}) {
    options_.exchange.overlap = choice;
    options_.exchange.factors = choice;
    options_.training.accumulate = 3;
    const NamedTensors together = train(Precision::kFp64, world_, "pieces");
    options_.training.accumulate = 1;
    if (world_.is_root()) {
      EXPECT_LE(largest_difference(together, train(Precision::kFp64, alone_, "whole")), 1e-10);
    }
  }
}

TEST_F(DataParallel, RanksWeighClassesAndShortenGradientsAsOneRank) {
  options_.training.class_weights = ClassWeights::kBalanced;
  options_.training.gradient_clip = 0.01;
  options_.adam.epsilon = 1.0;  // or Adam would divide the length out again
  // Every epoch ends with a short batch of 4.
  const SmallRun uneven(world_, {.size_px = 16, .patients = 11, .samples_per_patient = 4});
  ASSERT_EQ(uneven.data().train.class_counts(2), (std::vector<std::int64_t>{16, 12}));
  const auto trained = [&](const Communicator& ranks, const std::string& name) {
    Trainer trainer(uneven.input(options_, Precision::kFp64, uneven.folder(name), ranks));
    trainer.run();
    return trainer.weights();
  };
  const NamedTensors together = trained(world_, "together");
  if (!world_.is_root()) return;
  EXPECT_LE(largest_difference(together, trained(alone_, "alone")), 1e-10);
}

TEST_F(DataParallel, RanksTellOfOutlinesAsOneRank) {
  options_.model.name = "unet_densenet";
  options_.transfer.densenet121 = kNoWeights;
  options_.training.epochs = 1;
  const SmallRun outlined(world_, {.size_px = 32, .patients = 12, .samples_per_patient = 2, .masks = true});
  const auto told = [&](const Communicator& ranks, const std::string& name) {
    Trainer(outlined.input(options_, Precision::kFp64, outlined.folder(name), ranks)).run();
    return ranks.is_root() ? read_run_log(outlined.folder(name) / "log.jsonl").front().outlines : std::nullopt;
  };
  const auto together = told(world_, "together");
  if (!world_.is_root()) return;
  const auto alone = told(alone_, "alone");
  ASSERT_TRUE(together.has_value() && alone.has_value());
  EXPECT_NEAR(together->train_loss, alone->train_loss, 1e-9);
  EXPECT_NEAR(together->validation_loss, alone->validation_loss, 1e-9);
  EXPECT_NEAR(together->validation_dice, alone->validation_dice, 1e-9);
}

// One weight of one rank is off by a little from the start, as by a bit that fell over in its memory.
TEST_F(DataParallel, OneRankWithOtherWeightsEndsTheJobOnAll) {
  if (world_.size() == 1) GTEST_SKIP() << "there is no other rank";
  const auto folder = run_.folder("fallen");
  Trainer trainer(run_.input(options_, Precision::kFp32, folder, world_));
  Checkpoint start;
  start.weights = trainer.weights();
  for (const auto& [name, tensor] : start.weights) {
    start.moments.emplace_back("first." + name, torch::zeros_like(tensor));
    start.moments.emplace_back("second." + name, torch::zeros_like(tensor));
  }
  if (world_.rank() == world_.size() - 1) start.weights.front().second.view(-1)[0] += 0.001;
  trainer.resume(std::move(start));
  try {
    trainer.run();
    FAIL() << "it went on";
  } catch (const IoError& error) {
    EXPECT_NE(std::string(error.what()).find("different weights after epoch 1"), std::string::npos) << error.what();
  }
  EXPECT_TRUE(CheckpointStore(folder / "checkpoints", 2).names().empty());  // nobody goes on from them
}

TEST_F(DataParallel, RanksKeepTheAverageOfOneRank) {
  options_.training.ema_decay = 0.95;
  const auto averages = [&](const Communicator& ranks, const std::string& name) {
    Trainer trainer(run_.input(options_, Precision::kFp64, run_.folder(name), ranks));
    trainer.run();
    return std::pair(trainer.average(), trainer.best_weights());
  };
  const auto [together, best_together] = averages(world_, "average");
  if (!world_.is_root()) return;
  const auto [alone, best_alone] = averages(alone_, "average-alone");
  EXPECT_LE(largest_difference(together, alone), 1e-10);
  EXPECT_LE(largest_difference(best_together, best_alone), 1e-10);
}

// Each sum of gradients is rounded to 8 bits; twenty steps of at most 0.001 each way stay far below their length.
TEST_F(DataParallel, ExchangeInBf16StaysNearOneRank) {
  options_.exchange.type = ExchangeType::kBf16;
  for (const ExchangeChoice factors : {ExchangeChoice::kOn, ExchangeChoice::kOff}) {
    options_.exchange.factors = factors;
    const double difference = difference_from_one_rank(Precision::kFp32);
    EXPECT_LE(difference, 0.02);
    if (world_.is_root() && world_.size() > 1) {
      EXPECT_GT(difference, 1e-6);
    }
  }
}

TEST_F(DataParallel, RanksHoldTheSameWeightsInBf16) {
  const NamedTensors mine = train(Precision::kBf16, world_, "bf16");
  for (const auto& [name, tensor] : mine) {
    std::vector<double> largest(1, tensor.max().item<double>()), smallest(1, -tensor.max().item<double>());
    world_.max(largest);
    world_.max(smallest);
    EXPECT_EQ(largest[0], -smallest[0]) << name;
  }
}

TEST_F(DataParallel, ValidationIsThatOfOneRank) {
  const auto measure = [&](const Communicator& ranks) {
    const TrainerInput input = run_.input(options_, Precision::kFp64, run_.folder("unused"), ranks);
    Weights weights(make_network(input.network), Precision::kFp64);
    ImageCache cache(run_.data().validation, 0);
    return *validate({weights, cache, run_.data().validation, ranks, 3, 1}, [] { return false; });
  };
  const Validation together = measure(world_), alone = measure(alone_);
  EXPECT_NEAR(together.loss, alone.loss, 1e-12);
  EXPECT_DOUBLE_EQ(together.accuracy, alone.accuracy);
  EXPECT_DOUBLE_EQ(together.roc_auc, alone.roc_auc);
}

TEST_F(DataParallel, AnInterruptionReachesAllRanksAtTheSameStep) {
  TrainerInput input = run_.input(options_, Precision::kFp32, run_.folder("interrupted"), world_);
  int asked = 0;
  const int last = world_.size() - 1;
  input.interrupted = [&] {  // only the last rank gets the signal, before its seventh question
    const bool mine = world_.rank() == last && ++asked > 6;
    return world_.max(std::uint64_t{mine ? 1U : 0U}) != 0;
  };
  Trainer trainer(input);
  EXPECT_THROW(trainer.run(), Interrupted);
  const auto steps = world_.all_gather(std::to_string(trainer.progress().global_step));
  for (const std::string& step : steps) EXPECT_EQ(step, steps.front());
}

TEST_F(DataParallel, OneRankGoesOnWhereManyWereInterrupted) {
  TrainerInput input = run_.input(options_, Precision::kFp64, run_.folder("many"), world_);
  int asked = 0;
  input.interrupted = [&] { return ++asked > 9; };
  Trainer many(input);
  EXPECT_THROW(many.run(), Interrupted);
  auto checkpoint = load_newest(CheckpointStore(input.folder / "checkpoints", 2), world_);
  ASSERT_TRUE(checkpoint.has_value());
  if (!world_.is_root()) return;
  const NamedTensors straight = train(Precision::kFp64, alone_, "straight");
  Trainer one(run_.input(options_, Precision::kFp64, run_.folder("one"), alone_));
  one.resume(std::move(*checkpoint));
  one.run();
  EXPECT_LE(largest_difference(straight, one.weights()), 1e-10);
}

TEST_F(DataParallel, EverySampleIsScoredOnceAndInOrder) {
  class FirstPixel : public Predictor {
   public:
    std::vector<double> predict(const ImageBatch& batch) const override {
      std::vector<double> rows;
      for (std::int64_t i = 0; i < batch.count; ++i) {
        const auto at = static_cast<std::size_t>(i * batch.height * batch.width);
        const double sum = std::accumulate(batch.pixels.begin() + static_cast<std::ptrdiff_t>(at),
                                           batch.pixels.begin() + static_cast<std::ptrdiff_t>(at) + 64, 0.0);
        rows.insert(rows.end(), {1.0, sum});
      }
      return rows;
    }
    const BundleMetadata& metadata() const override { return metadata_; }
    const std::string& sha256() const override { return none_; }
    BundleMetadata metadata_;
    std::string none_;
  };
  FirstPixel predictor;
  predictor.metadata_.class_names = run_.data().classes.names;
  const auto together = score(predictor, run_.data().test, world_, 3);
  const auto alone = score(predictor, run_.data().test, alone_, 5);
  if (!world_.is_root()) {
    EXPECT_TRUE(together.empty());
    return;
  }
  ASSERT_EQ(together.size(), alone.size());
  for (std::size_t i = 0; i < alone.size(); ++i) {
    EXPECT_EQ(together[i].probabilities, alone[i].probabilities);
    EXPECT_EQ(together[i].instance, alone[i].instance);
    EXPECT_EQ(together[i].label, alone[i].label);
  }
}

}  // namespace
}  // namespace pulmo::training
