#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <nlohmann/json.hpp>

#include "core/model/bundle.h"
#include "core/support/atomic_file.h"
#include "tests/support/process.h"
#include "tests/support/test_paths.h"
#include "tests/training/small_run.h"

namespace pulmo::training {
namespace {

// Twenty steps of the trainer's own parts, and the same in PyTorch from the same weights and batches.
void expect_losses_of_pytorch(const std::string& row) {
  at::set_num_threads(1);
  const Communicator alone = Communicator::alone();
  const testing::SmallRun run(alone, {.size_px = 32, .patients = 20, .samples_per_patient = 6});
  FitOptions options;
  options.model = {row, 0.0};
  const auto folder = run.folder("data").parent_path();
  TrainerInput input = run.input(options, Precision::kFp32, folder, alone);
  Weights weights(make_network(input.network), input.precision);
  to_torchscript(weights.network()).save(folder / "network.pt");
  Adam adam(weights, options.adam);
  const auto sync = make_local_sync();
  TrainingStep step({weights, adam, *sync, run.data().manifest.shape, {1.0, 1.0}, {}});
  ImageCache cache(run.data().train, 1 << 30);
  nlohmann::json told = {{"row", row}, {"learning_rate", 0.001}};
  for (std::int64_t epoch = 0; told["losses"].size() < 20; ++epoch) {
    const EpochPlan plan(epoch_order(options.training.seed, epoch, run.data().train.size()), 16);
    for (std::int64_t at = 0; at < plan.steps(); ++at) {
      const auto share = plan.share(at, 1, 0);
      const std::vector<std::int64_t> indices(share.begin(), share.end());
      BatchLoader loader(cache, run.data().train, {indices}, {});
      const Meter meter = step.backward(*loader.next(), static_cast<std::int64_t>(indices.size()));
      step.exchange();
      step.update(0.001);
      told["batches"].push_back(indices);
      told["losses"].push_back(meter.mean_loss());
    }
  }
  write_file_atomically(folder / "run.json", told.dump());
  const auto twin = pulmo::testing::run_process(
      {pulmo::testing::python(), pulmo::testing::source_dir() / "tests/golden/training_loss_twin.py", folder});
  EXPECT_EQ(twin.exit_code, 0) << twin.out << twin.err;
}

TEST(LossTwin, ProposedCnnLearnsAsInPyTorch) {
  expect_losses_of_pytorch("proposed_cnn");
}

TEST(LossTwin, ConventionalCnnLearnsAsInPyTorch) {
  expect_losses_of_pytorch("conventional_cnn");
}

}  // namespace
}  // namespace pulmo::training
