#include "training/outlines.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/store/shard.h"
#include "core/support/error.h"
#include "tests/support/temp_dir.h"
#include "tests/training/small_run.h"
#include "training/batch_loader.h"
#include "training/outline_loss.h"
#include "training/watch/run_curves.h"

namespace pulmo::training {
namespace {

using ::testing::HasSubstr;
using testing::largest_difference;
using testing::small_options;
using testing::SmallRun;

/// The votes of one sample, as the shard holds them.
std::vector<std::uint8_t> votes(const Dataset& dataset, std::int64_t index) {
  const auto [shard, row] = dataset.id(index);
  return shard->read_nodules(row);
}

TEST(ReaderOutlines, AreSharesOfTheReadersOfTheNodule) {
  const SmallRun run(Communicator::alone(), {.size_px = 32, .patients = 12, .masks = true});
  const Dataset& train = run.data().train;
  const ReaderOutlines outlines(train);
  std::vector<std::uint16_t> shares(32 * 32);
  bool some = false;
  for (std::int64_t i = 0; i < train.size(); ++i) {
    outlines.read(i, shares);
    const auto expected = votes(train, i);
    EXPECT_EQ(outlines.readers(i), train.label(i) == 0 ? 0 : 3);
    for (std::size_t at = 0; at < shares.size(); ++at) ASSERT_EQ(shares[at], expected[at] > 0 ? 65535 : 0);
    some |= std::accumulate(expected.begin(), expected.end(), 0) > 0;
  }
  EXPECT_TRUE(some);
}

/// Two slices of one nodule that three readers marked: one slice has three of them, the other two.
TEST(ReaderOutlines, CountReadersOverAllSlicesOfTheGroup) {
  const pulmo::testing::TempDir directory;
  SmallRun run(Communicator::alone(), {.size_px = 32, .patients = 12, .masks = true});
  const auto [source, row] = run.data().train.id(0);
  ShardInfo info = source->info();
  Manifest manifest = run.data().manifest;
  for (ManifestSplit& split : manifest.splits) split = {};
  ShardWriter writer(directory / "train-00000.h5", info);
  for (const int most : {2, 3}) {
    Sample sample;
    sample.image.assign(32 * 32, 1000);
    sample.lungs.assign(32 * 32, 1);
    sample.nodules.assign(32 * 32, 0);
    sample.nodules[5] = 1;
    sample.nodules[6] = static_cast<std::uint8_t>(most);
    sample.label = 1;
    sample.patient = sample.series = "p";
    sample.group = "p/nodule";
    sample.instance = std::to_string(most);
    writer.append(sample);
  }
  writer.finish();
  ManifestSplit& train = manifest.split(Split::kTrain);
  train.shards = {{"train-00000.h5", 2, ""}};
  train.patients = {"p"};
  train.counts = {{info.class_names[0], 0}, {info.class_names[1], 2}};
  const Dataset dataset(directory.path(), manifest, Split::kTrain);
  const ReaderOutlines outlines(dataset);
  std::vector<std::uint16_t> shares(32 * 32);
  outlines.read(0, shares);
  EXPECT_EQ(outlines.readers(0), 3);
  EXPECT_EQ(shares[5], 21845);
  EXPECT_EQ(shares[6], 43690);
  EXPECT_EQ(shares[7], 0);
  outlines.read(1, shares);
  EXPECT_EQ(shares[6], 65535);
}

TEST(ReaderOutlines, WantsMasks) {
  const SmallRun run;
  try {
    const ReaderOutlines outlines(run.data().train);
    ADD_FAILURE();
  } catch (const InvalidInput& error) {
    EXPECT_THAT(error.what(), HasSubstr("store.masks"));
  }
}

/// The bright discs of the picture are its nodules: they stay below their outlines however both are turned and moved,
/// and however the picture's brightness is changed.
TEST(BatchLoaderOutlines, AreTurnedAndMovedAsTheImages) {
  const SmallRun run(Communicator::alone(), {.size_px = 32, .patients = 12, .masks = true, .contrast = 0.6});
  const Dataset& train = run.data().train;
  const ReaderOutlines outlines(train);
  ImageCache cache(train, 0);
  std::vector<std::int64_t> all(static_cast<std::size_t>(train.size()));
  std::iota(all.begin(), all.end(), 0);
  LoaderOptions options;
  options.outlines = &outlines;
  options.augmentation = {.flips = true,
                          .quarter_turns = true,
                          .shift_px = 3,
                          .scale = 0.2,
                          .rotation = 30.0,
                          .intensity = 0.1,
                          .noise = 0.02};
  BatchLoader loader(cache, train, {all}, options);
  const Batch batch = *loader.next();
  ASSERT_EQ(batch.outlines.size(), batch.pixels.size());
  std::size_t inside = 0;
  for (std::size_t i = 0; i < batch.pixels.size(); ++i) {
    ASSERT_TRUE(batch.outlines[i] >= 0.0F && batch.outlines[i] <= 1.0F);
    if (batch.outlines[i] > 0.9F) {
      ++inside;
      ASSERT_GT(batch.pixels[i], 0.45F);
    } else if (batch.outlines[i] < 0.1F) {
      ASSERT_LT(batch.pixels[i], 0.7F);
    }
  }
  EXPECT_GT(inside, 50U);
  BatchLoader plain(cache, train, {{0}}, {});
  EXPECT_TRUE(plain.next()->outlines.empty());
}

double loss_by_definition(const std::vector<double>& logits, const std::vector<double>& shares) {
  double entropy = 0.0, above = 1.0, below = 1.0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double p = 1.0 / (1.0 + std::exp(-logits[i]));
    entropy -= shares[i] * std::log(p) + (1.0 - shares[i]) * std::log(1.0 - p);
    above += 2.0 * p * shares[i];
    below += p * p + shares[i] * shares[i];
  }
  return entropy / static_cast<double>(logits.size()) + 1.0 - above / below;
}

TEST(OutlineLosses, AreEntropyAndDiceOfEachSlice) {
  const std::vector<std::vector<double>> logits = {{-2.0, 0.5, 3.0, -1.0}, {1.0, -4.0, 0.0, 2.0}};
  const std::vector<std::vector<double>> shares = {{0.0, 0.25, 1.0, 0.0}, {0.0, 0.0, 0.0, 0.0}};
  const auto tensor = [](const std::vector<std::vector<double>>& rows) {
    return torch::stack({torch::tensor(rows[0], torch::kFloat64), torch::tensor(rows[1], torch::kFloat64)})
        .view({2, 1, 2, 2});
  };
  const torch::Tensor losses = outline_losses(tensor(logits), tensor(shares));
  ASSERT_EQ(losses.sizes(), (std::vector<std::int64_t>{2}));
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_NEAR(losses[static_cast<std::int64_t>(i)].item<double>(), loss_by_definition(logits[i], shares[i]), 1e-12);
  }
  EXPECT_EQ(outline_losses(tensor(logits).to(torch::kBFloat16), tensor(shares)).scalar_type(), torch::kFloat32);
}

TEST(OutlineLosses, AreLeastWherePIsTheShare) {
  const torch::Tensor shares = torch::tensor({0.25, 0.5, 0.75, 0.9}, torch::kFloat64).view({1, 1, 2, 2});
  torch::Tensor logits = torch::logit(shares).requires_grad_();
  outline_losses(logits, shares).sum().backward();
  EXPECT_LT(logits.grad().abs().max().item<double>(), 1e-9);
}

class OutlineTraining : public ::testing::Test {
 protected:
  OutlineTraining() {
    at::set_num_threads(1);
    options_.model.name = "unet_densenet";
    options_.transfer.densenet121 = kNoWeights;
    options_.training.epochs = 2;
  }
  const Communicator alone_ = Communicator::alone();
  const SmallRun run_{alone_, {.size_px = 32, .patients = 12, .masks = true}};
  FitOptions options_ = small_options();
};

/// The readers' outlines alone teach the U-Net: mean loss of the training part's slices before and after.
TEST_F(OutlineTraining, TheOutlinesComeNearerToTheReaders) {
  const Dataset& train = run_.data().train;
  const ReaderOutlines outlines(train);
  ImageCache cache(train, 1 << 20);
  std::vector<std::int64_t> all(static_cast<std::size_t>(train.size()));
  std::iota(all.begin(), all.end(), 0);
  LoaderOptions plain;
  plain.outlines = &outlines;
  BatchLoader loader(cache, train, {all}, plain);
  const Batch batch = *loader.next();
  const TrainerInput input = run_.input(options_, Precision::kFp32, run_.folder("run"), alone_);
  const auto loss_of = [&](const NamedTensors& snapshot) {
    const torch::NoGradGuard no_gradient;
    const Weights weights(network_with(input.network, snapshot), Precision::kFp32);
    const NetworkOutput output =
        network_with(input.network, snapshot)->forward_outlined(images_tensor(batch, train.shape(), weights), {});
    return outline_losses(output.outline_logits, outlines_tensor(batch, train.shape(), weights)).mean().item<double>();
  };
  Trainer trainer(input);
  const double before = loss_of(trainer.weights());
  trainer.run();
  EXPECT_LT(loss_of(trainer.weights()), 0.7 * before);
}

TEST_F(OutlineTraining, GoesOnAfterAnInterruptionBitForBit) {
  Trainer straight(run_.input(options_, Precision::kFp32, run_.folder("straight"), alone_));
  straight.run();
  TrainerInput input = run_.input(options_, Precision::kFp32, run_.folder("resumed"), alone_);
  int asked = 0;
  input.interrupted = [&] { return ++asked >= 3; };
  EXPECT_THROW(Trainer(input).run(), Interrupted);
  Trainer resumed(run_.input(options_, Precision::kFp32, run_.folder("resumed"), alone_));
  const CheckpointStore store(run_.folder("resumed") / "checkpoints", 2);
  auto checkpoint = load_newest(store, alone_);
  ASSERT_TRUE(checkpoint.has_value());
  resumed.resume(std::move(*checkpoint));
  resumed.run();
  EXPECT_EQ(largest_difference(straight.weights(), resumed.weights()), 0.0);
  const auto one = read_run_log(run_.folder("straight") / "log.jsonl");
  const auto two = read_run_log(run_.folder("resumed") / "log.jsonl");
  ASSERT_EQ(one.size(), two.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].outlines.value().train_loss, two[i].outlines.value().train_loss);
    EXPECT_EQ(one[i].outlines.value().validation_dice, two[i].outlines.value().validation_dice);
  }
}

std::vector<double> values_of(const torch::Tensor& tensor) {
  const torch::Tensor flat = tensor.to(torch::kFloat64).flatten();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

double dice_by_definition(const std::vector<double>& logits, const std::vector<double>& shares) {
  double both = 0.0, areas = 0.0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const bool model = 1.0 / (1.0 + std::exp(-logits[i])) >= 0.5, readers = shares[i] >= 0.5;
    both += model && readers ? 1.0 : 0.0;
    areas += (model ? 1.0 : 0.0) + (readers ? 1.0 : 0.0);
  }
  return 2.0 * both / areas;
}

/// Means over the samples; the Dice over those with a nodule.
struct Expected {
  double loss = 0.0, dice = 0.0;
};

Expected expected_of(const Dataset& dataset, Weights& weights) {
  const ReaderOutlines outlines(dataset);
  ImageCache cache(dataset, 0);
  Expected expected;
  double nodules = 0.0;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    LoaderOptions plain;
    plain.outlines = &outlines;
    BatchLoader loader(cache, dataset, {{i}}, plain);
    const Batch batch = *loader.next();
    const torch::NoGradGuard no_gradient;
    const auto output = weights.network().forward_outlined(images_tensor(batch, dataset.shape(), weights), {});
    const auto logits = values_of(output.outline_logits);
    const std::vector<double> shares(batch.outlines.begin(), batch.outlines.end());
    expected.loss += loss_by_definition(logits, shares) / static_cast<double>(dataset.size());
    if (*std::max_element(shares.begin(), shares.end()) < 0.5) continue;
    expected.dice += dice_by_definition(logits, shares);
    nodules += 1.0;
  }
  expected.dice /= nodules;
  return expected;
}

/// The rate is too small to move the weights, so that every step and the validation see the same ones.
TEST_F(OutlineTraining, LossesAndDiceAreLogged) {
  options_.training.epochs = 1;
  options_.training.accumulate = 3;
  options_.schedule.learning_rate = 1e-30;
  options_.augmentation = {};
  const SmallRun few(alone_, {.size_px = 32, .patients = 6, .samples_per_patient = 5, .masks = true});
  const TrainerInput input = few.input(options_, Precision::kFp64, few.folder("run"), alone_);
  Trainer trainer(input);
  trainer.run();
  Weights weights(network_with(input.network, trainer.weights()), Precision::kFp64);
  const Expected training = expected_of(few.data().train, weights);
  const Expected validation = expected_of(few.data().validation, weights);
  const OutlineRecord logged = read_run_log(input.folder / "log.jsonl").front().outlines.value();
  EXPECT_NEAR(logged.train_loss, training.loss, 1e-9);
  EXPECT_NEAR(logged.validation_loss, validation.loss, 1e-9);
  EXPECT_NEAR(logged.validation_dice, validation.dice, 1e-12);
  EXPECT_GT(validation.dice, 0.0);
}

TEST_F(OutlineTraining, OtherNetworksLogNone) {
  options_.model.name = "proposed_cnn";
  options_.training.epochs = 1;
  Trainer(run_.input(options_, Precision::kFp32, run_.folder("run"), alone_)).run();
  EXPECT_FALSE(read_run_log(run_.folder("run") / "log.jsonl").front().outlines.has_value());
}

}  // namespace
}  // namespace pulmo::training
