// What the configuration asks for reaches the steps of the trainer: against the same worked out here.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <numeric>
#include <sstream>

#include "tests/support/process.h"
#include "tests/support/test_paths.h"
#include "tests/training/small_run.h"
#include "training/watch/run_curves.h"

namespace pulmo::training {
namespace {

using testing::largest_difference;
using testing::small_options;
using testing::SmallRun;

constexpr double kRate = 0.01;

/// In double precision, without dropout and augmentation. One batch is an epoch, and there is one, unless a test says
/// otherwise. Adam's epsilon of 1 leaves a step about as long as its gradient, which its usual one divides out.
class TrainerWiring : public ::testing::Test {
 protected:
  TrainerWiring() {
    at::set_num_threads(1);
    options_.model.dropout = 0.0;
    options_.augmentation = {};
    options_.training.epochs = 1;
    options_.training.batch_size = 1000;
    options_.schedule.learning_rate = kRate;
    options_.adam.epsilon = 1.0;
  }

  NamedTensors train(const std::string& name, Watch* watch = nullptr) {
    TrainerInput input = run_.input(options_, Precision::kFp64, run_.folder(name), alone_);
    input.watch = watch;
    Trainer trainer(input);
    trainer.run();
    return trainer.weights();
  }
  std::vector<EpochRecord> log_of(const std::string& name) const {
    return read_run_log(run_.folder(name) / "log.jsonl");
  }

  Batch batch_of(const std::vector<std::int64_t>& samples) {
    BatchLoader loader(cache_, run_.data().train, {samples}, {});
    return *loader.next();
  }
  std::vector<std::int64_t> all_samples() const {
    std::vector<std::int64_t> all(static_cast<std::size_t>(run_.data().train.size()));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  NetworkOptions network_options() const { return run_.input(options_, Precision::kFp64, {}, alone_).network; }

  /// The network as it begins, in float64, with the gradients of its loss on all samples: the mean of the
  /// cross-entropies, weighted by class. By LibTorch's own loss.
  struct Begun {
    std::shared_ptr<Network> network;
    double loss = 0.0;
    double gradient_norm = 0.0;
  };
  Begun begun(const std::vector<double>& class_weights) {
    Begun result{make_network(network_options()), 0.0, 0.0};
    result.network->to(torch::kFloat64);
    const Batch batch = batch_of(all_samples());
    const Weights like(result.network, Precision::kFp64);
    const torch::Tensor logits = result.network->forward(images_tensor(batch, run_.data().train.shape(), like), {});
    const torch::Tensor loss = torch::nll_loss(torch::log_softmax(logits, 1), labels_tensor(batch, like),
                                               torch::tensor(class_weights, torch::kFloat64), torch::Reduction::Sum) /
                               static_cast<double>(batch.labels.size());
    loss.backward();
    result.loss = loss.item<double>();
    double squares = 0.0;
    for (const torch::Tensor& weight : result.network->parameters())
      squares += weight.grad().square().sum().item<double>();
    result.gradient_norm = std::sqrt(squares);
    return result;
  }

  /// The weights after Adam's first step, by `scale` times those gradients: both of its corrected moments are those of
  /// the gradient itself.
  NamedTensors after_one_step(const Begun& begun, double scale = 1.0) const {
    NamedTensors weights;
    for (const auto& item : begun.network->named_parameters()) {
      const torch::Tensor g = item.value().grad() * scale;
      weights.emplace_back(item.key(), item.value().detach() - kRate * g / (g.abs() + options_.adam.epsilon));
    }
    return weights;
  }

  /// Step by step, at these rates.
  NamedTensors trained_at(const std::vector<double>& rates) {
    Weights weights(make_network(network_options()), Precision::kFp64);
    Adam adam(weights, options_.adam);
    const auto sync = make_local_sync();
    TrainingStep step({weights, adam, *sync, run_.data().manifest.shape, {1.0, 1.0}, {}});
    std::size_t done = 0;
    for (std::int64_t epoch = 0; done < rates.size(); ++epoch) {
      const TrainingOptions& training = options_.training;
      const EpochPlan plan(epoch_order(training.seed, epoch, run_.data().train.size()), training.batch_size);
      for (std::int64_t at = 0; at < plan.steps(); ++at) {
        const auto samples = plan.global_batch(at);
        step.backward(batch_of({samples.begin(), samples.end()}), static_cast<std::int64_t>(samples.size()));
        step.exchange();
        step.update(rates.at(done++));
      }
    }
    return weights.snapshot();
  }

  const Communicator alone_ = Communicator::alone();
  const SmallRun run_{alone_, {.size_px = 16, .patients = 13}};
  FitOptions options_ = small_options();
  ImageCache cache_{run_.data().train, 1 << 24};
};

// 20 samples of one class and 16 of the other: 36 / (2 * 20) and 36 / (2 * 16).
TEST_F(TrainerWiring, BalancedClassesWeighTheSame) {
  ASSERT_EQ(run_.data().train.class_counts(2), (std::vector<std::int64_t>{20, 16}));
  const Begun plain = begun({1.0, 1.0}), balanced = begun({0.9, 1.125});
  EXPECT_LE(largest_difference(train("plain"), after_one_step(plain)), 1e-12);
  EXPECT_NEAR(log_of("plain").front().train_loss, plain.loss, 1e-12);
  options_.training.class_weights = ClassWeights::kBalanced;
  EXPECT_LE(largest_difference(train("balanced"), after_one_step(balanced)), 1e-12);
  EXPECT_NEAR(log_of("balanced").front().train_loss, balanced.loss, 1e-12);
  EXPECT_GT(std::abs(plain.loss - balanced.loss), 1e-6);
  EXPECT_GT(largest_difference(after_one_step(plain), after_one_step(balanced)), 1e-6);
}

TEST_F(TrainerWiring, ATooLongGradientIsShortenedBeforeTheUpdate) {
  const Begun begin = begun({1.0, 1.0});
  const double longest = 0.001;
  ASSERT_GT(begin.gradient_norm, 2.0 * longest);
  options_.training.gradient_clip = longest;
  const NamedTensors clipped = train("clipped");
  EXPECT_LE(largest_difference(clipped, after_one_step(begin, longest / begin.gradient_norm)), 1e-12);
  EXPECT_GT(largest_difference(clipped, after_one_step(begin)), 1e-6);
  double squares = 0.0;
  const auto before = begin.network->named_parameters();
  for (const auto& [name, weight] : clipped) squares += (weight - before[name]).square().sum().item<double>();
  EXPECT_NEAR(std::sqrt(squares), kRate * longest, 0.001 * kRate * longest);  // of 1 + |g|, at most 1.001
  options_.training.gradient_clip = 2.0 * begin.gradient_norm;
  EXPECT_LE(largest_difference(train("long enough"), after_one_step(begin)), 1e-12);
}

/// Five steps an epoch, three epochs: over half an epoch, 2.5 steps, the rate rises towards the base rate, 1/3.5 of it
/// each step; then it falls by half a cosine to a tenth of it at the end of the 15 steps.
std::vector<double> warm_up_and_cosine() {
  std::vector<double> rates;
  for (int step = 0; step < 15; ++step) {
    const double cosine = std::cos(std::numbers::pi * (step - 2.5) / 12.5);
    rates.push_back(step < 3 ? kRate * (step + 1) / 3.5 : kRate * (0.1 + 0.9 * (1.0 + cosine) / 2.0));
  }
  return rates;
}

/// What the event files tell of every step.
std::vector<double> rates_in(const std::filesystem::path& folder) {
  std::vector<std::string> reader = {pulmo::testing::python(),
                                     pulmo::testing::source_dir() / "tests/golden/event_file_reader.py"};
  for (const auto& entry : std::filesystem::directory_iterator(folder)) reader.push_back(entry.path());
  std::istringstream lines(pulmo::testing::run_process(reader).out);
  std::vector<double> rates;
  for (std::string line; std::getline(lines, line);) {
    const auto values = nlohmann::json::parse(line).value("values", nlohmann::json::object());
    if (values.contains("step/learning_rate")) rates.push_back(values.at("step/learning_rate"));
  }
  return rates;
}

TEST_F(TrainerWiring, TheRateFollowsTheScheduleStepByStep) {
  options_.training.epochs = 3;
  options_.training.batch_size = 8;
  options_.schedule = {ScheduleKind::kCosine, kRate, 0.5, 0.1};
  options_.adam.epsilon = 1e-8;
  WatchOptions every_step;
  every_step.every_steps = 1;
  Watch watch(every_step);
  const NamedTensors trained = train("run", &watch);
  const std::vector<double> expected = warm_up_and_cosine();
  EXPECT_LE(largest_difference(trained, trained_at(expected)), 1e-12);
  EXPECT_GT(largest_difference(trained, trained_at(std::vector<double>(15, kRate))), 1e-6);

  const auto log = log_of("run");
  ASSERT_EQ(log.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(log[i].learning_rate, expected[5 * i + 4], 1e-15);
  const std::vector<double> told = rates_in(run_.folder("run") / "tensorboard");
  ASSERT_EQ(told.size(), expected.size());
  for (std::size_t i = 0; i < told.size(); ++i) EXPECT_NEAR(told[i], expected[i], 1e-8);  // float32
}

}  // namespace
}  // namespace pulmo::training
