// What the graphics card computes against what the processor does.
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <torch/utils.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/model/predictor.h"
#include "core/model/torch_device.h"
#include "core/support/bytes.h"
#include "core/support/error.h"
#include "tests/support/process.h"
#include "tests/support/test_paths.h"
#include "tests/training/small_run.h"

namespace pulmo::training {
namespace {

using testing::largest_difference;
using testing::small_options;
using testing::SmallRun;

constexpr Device kCard{0};

class GpuTest : public ::testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    make_reproducible(kCard);
  }

  NamedTensors train(Precision precision, Device device, const std::string& name) {
    TrainerInput input = run_.input(options_, precision, run_.folder(name), alone_);
    input.device = device;
    Trainer trainer(input);
    trainer.run();
    return trainer.weights();
  }

  const Communicator alone_ = Communicator::alone();
  const SmallRun run_{alone_};
  FitOptions options_ = small_options();
};

/// Logits and the gradients of their sum of squares, all on the processor in double precision.
std::vector<torch::Tensor> forward_and_backward(const std::string& row, Precision precision, Device device) {
  NetworkOptions options;
  options.name = row;
  options.size_px = 64;
  options.depth = takes_volumes(row) ? 3 : 0;
  Weights weights(make_network(options), precision, device);
  torch::manual_seed(1);
  std::vector<std::int64_t> sizes = {5, 1, 64, 64};
  if (options.depth > 0) sizes.insert(sizes.begin() + 2, options.depth);
  const torch::Tensor images = torch::rand(sizes).to(weights.device(), weights.type());
  const std::vector<std::uint64_t> seeds = {1, 2, 3, 4, 5};
  const torch::Tensor logits = weights.network().forward(images, seeds);
  logits.square().sum().backward();
  const auto home = [](const torch::Tensor& tensor) { return tensor.detach().to(torch::kCPU, torch::kFloat64); };
  std::vector<torch::Tensor> found = {home(logits)};
  for (const torch::Tensor& parameter : weights.parameters()) {
    if (parameter.grad().defined()) found.push_back(home(parameter.grad()));
  }
  return found;
}

void expect_same(const std::string& row, Precision precision, double tolerance) {
  const auto cpu = forward_and_backward(row, precision, {});
  const auto gpu = forward_and_backward(row, precision, kCard);
  ASSERT_EQ(cpu.size(), gpu.size()) << row;
  for (std::size_t i = 0; i < cpu.size(); ++i) {
    const double scale = std::max(1e-6, cpu[i].abs().max().item<double>());
    EXPECT_LE((cpu[i] - gpu[i]).abs().max().item<double>() / scale, tolerance) << row << ", tensor " << i;
  }
}

TEST_F(GpuTest, ForwardAndGradientsAreThoseOfTheProcessorInDoublePrecision) {
  for (const std::string& row : network_names()) expect_same(row, Precision::kFp64, 1e-9);
}

TEST_F(GpuTest, ForwardAndGradientsAreThoseOfTheProcessorInSinglePrecision) {
  for (const std::string& row : network_names()) expect_same(row, Precision::kFp32, 2e-4);
}

TEST_F(GpuTest, TrainsTheWeightsOfTheProcessor) {
  EXPECT_LE(largest_difference(train(Precision::kFp64, kCard, "gpu64"), train(Precision::kFp64, {}, "cpu64")), 1e-8);
  EXPECT_LE(largest_difference(train(Precision::kFp32, kCard, "gpu32"), train(Precision::kFp32, {}, "cpu32")), 1e-3);
}

TEST_F(GpuTest, WritesTheLossesOfTheProcessor) {
  train(Precision::kFp64, kCard, "gpu");
  train(Precision::kFp64, {}, "cpu");
  const auto epochs = [&](const std::string& name) {
    std::istringstream lines(read_text_file(run_.folder(name) / "log.jsonl"));
    std::vector<nlohmann::json> found;
    for (std::string line; std::getline(lines, line);) found.push_back(nlohmann::json::parse(line));
    return found;
  };
  const auto gpu = epochs("gpu"), cpu = epochs("cpu");
  ASSERT_EQ(gpu.size(), 2U);
  ASSERT_EQ(cpu.size(), 2U);
  for (std::size_t i = 0; i < gpu.size(); ++i) {
    for (const char* part : {"train", "validation"}) {
      EXPECT_NEAR(gpu[i].at(part).at("loss").get<double>(), cpu[i].at(part).at("loss").get<double>(), 1e-7);
    }
  }
}

TEST_F(GpuTest, PiecesAndAverageAreThoseOfTheProcessor) {
  options_.training.accumulate = 3;
  options_.training.ema_decay = 0.9;
  const auto averages = [&](Device device, const std::string& name) {
    TrainerInput input = run_.input(options_, Precision::kFp64, run_.folder(name), alone_);
    input.device = device;
    Trainer trainer(input);
    trainer.run();
    return trainer.average();
  };
  EXPECT_LE(largest_difference(averages(kCard, "gpu"), averages({}, "cpu")), 1e-8);
}

TEST_F(GpuTest, RepeatsItselfBitForBit) {
  EXPECT_EQ(largest_difference(train(Precision::kFp32, kCard, "a"), train(Precision::kFp32, kCard, "b")), 0.0);
}

TEST_F(GpuTest, Bf16StaysNearFp32) {
  options_.model.dropout = 0.0;
  const double difference =
      largest_difference(train(Precision::kFp32, kCard, "fp32"), train(Precision::kBf16, kCard, "bf16"));
  EXPECT_GT(difference, 0.0);
  EXPECT_LT(difference, 0.02);  // as on the processor: 10 steps of at most 0.001 each way
}

TEST_F(GpuTest, TheProcessorGoesOnWhereTheCardStoppedAndTheOtherWayRound) {
  const NamedTensors straight = train(Precision::kFp64, {}, "straight");
  for (const bool card_first : {true, false}) {
    const auto folder = run_.folder(card_first ? "card-first" : "processor-first");
    TrainerInput input = run_.input(options_, Precision::kFp64, folder, alone_);
    input.device = card_first ? kCard : Device{};
    int asked = 0;
    input.interrupted = [&] { return ++asked > 4; };
    EXPECT_THROW(Trainer(input).run(), Interrupted);
    auto checkpoint = load_newest(CheckpointStore(folder / "checkpoints", 2), alone_);
    ASSERT_TRUE(checkpoint.has_value());
    EXPECT_TRUE(checkpoint->weights.front().second.is_cpu());
    EXPECT_TRUE(checkpoint->moments.front().second.is_cpu());
    input.device = card_first ? Device{} : kCard;
    input.interrupted = [] { return false; };
    Trainer rest(input);
    rest.resume(std::move(*checkpoint));
    rest.run();
    EXPECT_LE(largest_difference(straight, rest.weights()), 1e-8);
  }
}

/// The program as a user starts it, two ranks that share the first card.
class GpuProgramTest : public GpuTest {
 protected:
  nlohmann::json fit(int ranks, const std::string& name, const std::string& device, const std::string& precision) {
    const auto data = run_.folder("data");
    std::vector<std::string> argv = {"mpirun", "-n", std::to_string(ranks)};
    argv.insert(argv.end(),
                {pulmo::testing::bin_dir() / "pulmo-train", "fit", "--data", data, "--output", run_.folder(name)});
    for (const std::string& setting :
         {std::string("training.epochs=3"), std::string("training.batch_size=8"), std::string("evaluation.bootstrap=0"),
          "training.precision=" + precision, "compute.device=" + device}) {
      argv.insert(argv.end(), {"--set", setting});
    }
    const auto result = pulmo::testing::run_process(argv, {"CUDA_VISIBLE_DEVICES=0"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    log_ = result.err;
    return nlohmann::json::parse(read_text_file(run_.folder(name) / "metrics.json")).at("validation").at("sample");
  }

  std::string log_;
};

TEST_F(GpuProgramTest, RanksThatShareACardTrainAndJudgeAsTheProcessorDoes) {
  const auto cpu = fit(1, "cpu", "cpu", "fp64");
  const auto gpu = fit(2, "gpu", "cuda", "fp64");
  EXPECT_THAT(log_, ::testing::HasSubstr("cuda:0"));
  EXPECT_THAT(log_, ::testing::HasSubstr("ranks share graphics cards"));
  for (const char* figure : {"roc_auc", "brier", "accuracy"}) {
    EXPECT_NEAR(gpu.at(figure).get<double>(), cpu.at(figure).get<double>(), 1e-5) << figure;
  }
}

TEST_F(GpuProgramTest, AutoTakesTheCard) {
  fit(1, "auto", "auto", "auto");
  EXPECT_THAT(log_, ::testing::HasSubstr("cuda:0"));
}

TEST_F(GpuProgramTest, ABundlesAnswersAreThoseOfTheProcessor) {
  fit(1, "run", "cpu", "fp32");
  const auto on = [&](Device device) { return load_predictor(run_.folder("run") / "bundle.pt", 1, device); };
  const auto cpu = on({}), gpu = on(kCard);
  const Dataset& test = run_.data().test;
  for (std::int64_t i = 0; i < test.size(); ++i) {
    const SampleShape& shape = test.shape();
    ImageBatch batch{1, shape.channels, shape.height, shape.width, {}};
    batch.pixels.resize(static_cast<std::size_t>(shape.elements()));
    test.read_image(i, batch.pixels);
    EXPECT_NEAR(cpu->predict(batch)[1], gpu->predict(batch)[1], 1e-5);
  }
}

}  // namespace
}  // namespace pulmo::training
