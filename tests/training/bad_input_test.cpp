// Bad input and broken surroundings, met by several ranks: one clear message, and a quick end of the whole job.
#include <gmock/gmock.h>

#include <chrono>
#include <fstream>

#include "core/store/manifest.h"
#include "tests/support/test_paths.h"
#include "tests/training/program_fixture.h"

namespace pulmo::training {
namespace {

namespace fs = std::filesystem;
using pulmo::testing::ProcessResult;
using testing::count_of;
using ::testing::HasSubstr;

class BadInputTest : public testing::ProgramTest {
 protected:
  // A job that hangs would be killed by the limit, which is an error of the test.
  static ProcessResult run_quickly(const std::vector<std::string>& argv) {
    return pulmo::testing::run_process(argv, {}, std::chrono::seconds(60));
  }

  void expect_fit_refuses(const fs::path& data, const std::string& what, const std::vector<std::string>& more = {},
                          int ranks = 2) const {
    expect_refusal(run_quickly(on_ranks(ranks, command("fit", data, root_ / "run", more))), what);
    EXPECT_FALSE(fs::exists(root_ / "run/bundle.pt"));
  }

  // One program a rank, each with its own arguments.
  static std::vector<std::string> each_its_own(const std::vector<std::string>& first,
                                               const std::vector<std::string>& second) {
    std::vector<std::string> argv = {"mpirun", "-n", "1"};
    argv.insert(argv.end(), first.begin(), first.end());
    argv.insert(argv.end(), {":", "-n", "1"});
    argv.insert(argv.end(), second.begin(), second.end());
    return argv;
  }

  static void python(const std::string& program, const std::vector<std::string>& arguments) {
    std::vector<std::string> argv = {pulmo::testing::python(), "-c", program};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    const ProcessResult result = pulmo::testing::run_process(argv);
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }

  static fs::path first_training_shard(const fs::path& data) {
    return data / read_manifest(data).split(Split::kTrain).shards.front().file;
  }
};

TEST_F(BadInputTest, NoPreparedFolder) {
  fs::create_directories(root_ / "empty");
  expect_fit_refuses(root_ / "empty", "manifest.yaml");
}

TEST_F(BadInputTest, NoShards) {
  const auto data = make_data();
  fs::remove(first_training_shard(data));
  expect_fit_refuses(data, "train-00000.h5");
}

TEST_F(BadInputTest, OneClassOnly) {
  const auto data = make_data({.size_px = 16, .patients = 6, .classes = {"malignant"}});
  expect_fit_refuses(data, "are of the class 'malignant'");
}

TEST_F(BadInputTest, OnePatient) {
  expect_fit_refuses(make_data({.size_px = 16, .patients = 1}), "nothing can be told apart");
}

TEST_F(BadInputTest, FewerSamplesThanRanks) {
  const auto data = make_data({.size_px = 16, .patients = 6, .samples_per_patient = 1});
  expect_fit_refuses(data, "training samples for 3 ranks", {}, 3);
}

TEST_F(BadInputTest, NoValidationPart) {
  const auto data = make_data();
  Manifest manifest = read_manifest(data);
  manifest.split(Split::kValidation) = {};
  write_manifest(data, manifest);
  expect_fit_refuses(data, "no validation samples");
}

TEST_F(BadInputTest, ShardsOfAnotherPreprocessing) {
  const auto data = make_data();
  Manifest manifest = read_manifest(data);
  manifest.spec.gaussian_sigma_px = 2.5;
  write_manifest(data, manifest);
  expect_fit_refuses(data, "train-00000.h5: its preprocessing");
}

TEST_F(BadInputTest, AShardThatIsNotTheManifests) {
  const auto data = make_data();
  std::ofstream(data / read_manifest(data).split(Split::kTest).shards.front().file, std::ios::app) << "x";
  expect_fit_refuses(data, "test-00000.h5");
}

TEST_F(BadInputTest, ALabelOutOfRange) {
  const auto data = make_data();
  ASSERT_NO_FATAL_FAILURE(python("import h5py, sys\nwith h5py.File(sys.argv[1], 'r+') as f: f['labels'][2] = 9",
                                 {first_training_shard(data)}));
  expect_fit_refuses(data, "has the label 9", {"--set", "evaluation.verify_shards=false"});
}

TEST_F(BadInputTest, WeightsOfAnotherShape) {
  const auto data = make_data({.size_px = 32, .patients = 12});
  const fs::path file = root_ / "squeezenet.pth";
  ASSERT_NO_FATAL_FAILURE(
      python("import runpy, sys, torch\n"
             "sys.argv = sys.argv[1:]\n"
             "runpy.run_path(sys.argv[0], run_name='__main__')\n"
             "weights = torch.load(sys.argv[3], weights_only=False)\n"
             "weights['features.0.weight'] = torch.zeros(64, 3, 5, 5)\n"
             "torch.save(weights, sys.argv[3])",
             {pulmo::testing::source_dir() / "tests/golden/backbone_twin.py", "make", "squeezenet", file}));
  expect_fit_refuses(data, "tensor features.0.weight is 64 x 3 x 5 x 5",
                     {"--set", "model.name=squeezenet", "--set", "transfer.squeezenet=" + file.string()});
}

TEST_F(BadInputTest, RanksWithDifferentConfigurations) {
  const auto data = make_data();
  const auto with = [&](const std::string& setting) { return command("fit", data, root_ / "run", {"--set", setting}); };
  // Of what decides the result, and of what only decides how the ranks work together.
  for (const auto& [first, second] :
       {std::pair("training.seed=1", "training.seed=2"), std::pair("checkpoint.every_steps=1", "checkpoint.keep=2")}) {
    expect_refusal(run_quickly(each_its_own(with(first), with(second))),
                   "rank 1 was given another configuration than rank 0");
  }
}

TEST_F(BadInputTest, RanksWithDifferentData) {
  const auto data = make_data();
  pulmo::testing::make_prepared_folder(root_ / "other", {.size_px = 16, .patients = 12, .seed = 2});
  expect_refusal(
      run_quickly(each_its_own(command("fit", data, root_ / "run"), command("fit", root_ / "other", root_ / "run"))),
      "rank 1 sees other data");
}

/// Checkpoints that are there before the run.
class BadCheckpointTest : public BadInputTest {
 protected:
  std::vector<fs::path> checkpoints() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(root_ / "run/checkpoints")) {
      if (entry.path().extension() == ".pt") found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }
};

TEST_F(BadCheckpointTest, ADamagedOneIsPassedOverAndSaidSo) {
  const auto data = make_data();
  const auto fit = on_ranks(2, command("fit", data, root_ / "run"));
  ASSERT_EQ(run(fit).exit_code, 0);
  ASSERT_EQ(checkpoints().size(), 2U);
  fs::resize_file(checkpoints().back(), 1000);
  const ProcessResult result = run(fit);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(count_of(result.err, "checkpoint passed over"), 1U) << result.err;
  EXPECT_THAT(result.err, HasSubstr("resumed"));
  EXPECT_THAT(result.err, HasSubstr("epoch done"));  // the second epoch again
  for (const fs::path& file : checkpoints()) fs::resize_file(file, 1000);
  expect_refusal(run_quickly(fit), "none of the 2 checkpoints is whole");
}

// A limit on the size of rank 0's files, in KiB, stands for the full disk: the checkpoints within the first epoch fit,
// the one at its end, which also holds the best weights, does not.
TEST_F(BadCheckpointTest, ADiskThatIsFullEndsTheJobAndLeavesTheEarlierOnes) {
  const auto data = make_data({.size_px = 96, .patients = 12});
  const auto fit = command("fit", data, root_ / "run", {"--set", "checkpoint.every_steps=1"});
  std::vector<std::string> limited = {"bash", "-c", "trap '' XFSZ; ulimit -f 32768; exec \"$0\" \"$@\""};
  limited.insert(limited.end(), fit.begin(), fit.end());
  const ProcessResult full = run_quickly(each_its_own(limited, fit));
  expect_refusal(full, "cannot write");
  EXPECT_THAT(full.err, HasSubstr("epoch-000001-step-000000000.pt"));
  ASSERT_EQ(checkpoints().size(), 2U);
  for (const auto& entry : fs::directory_iterator(root_ / "run/checkpoints")) {
    EXPECT_THAT(entry.path().string(), ::testing::Not(HasSubstr(".tmp-")));
  }
  const ProcessResult resumed = run(on_ranks(2, fit));
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("resumed"));
  EXPECT_TRUE(fs::exists(root_ / "run/bundle.pt"));
}

}  // namespace
}  // namespace pulmo::training
