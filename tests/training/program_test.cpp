// The program itself, as a user starts it: exit codes, messages, signals, resuming.
#include <gmock/gmock.h>
#include <signal.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/store/manifest.h"
#include "core/support/bytes.h"
#include "tests/support/test_paths.h"
#include "tests/training/program_fixture.h"

namespace pulmo::training {
namespace {

namespace fs = std::filesystem;
using pulmo::testing::Process;
using pulmo::testing::ProcessResult;
using testing::count_of;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::ProgramTest;
using testing::SignalTest;

TEST_F(ProgramTest, RefusesBadInputOnceWhateverTheRanks) {
  const auto data = make_data();
  expect_refusal(run(on_ranks(2, command("fit", data, root_ / "run", {"--set", "training.epoch=3"}))),
                 "training.epoch: unknown key");
  expect_refusal(run(on_ranks(2, command("fit", root_ / "nowhere", root_ / "run"))), "nowhere");
  std::ofstream(root_ / "file") << "not a folder";
  expect_refusal(run(on_ranks(2, command("fit", data, root_ / "file" / "run"))), "file");
  EXPECT_FALSE(fs::exists(root_ / "run"));
}

TEST_F(ProgramTest, RefusesWrongUsageOnceWithExitTwo) {
  const ProcessResult result = run(on_ranks(2, {program(), "fit", "--nonsense"}));
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(count_of(result.err, "see --help"), 1U) << result.err;
  EXPECT_EQ(run({program()}).exit_code, 2);
}

TEST_F(ProgramTest, RefusesAnUnknownNetworkAndAnUnknownRow) {
  const auto data = make_data();
  expect_refusal(run(command("fit", data, root_ / "run", {"--set", "model.name=resnet5000"})), "resnet5000");
  expect_refusal(run(command("compare", data, root_ / "run", {"--set", "rows=[majority, magic]"})), "magic");
}

TEST_F(ProgramTest, RefusesAGraphicsCardThatIsNotThere) {
  const auto data = make_data();
  const std::vector<std::string> no_card = {"CUDA_VISIBLE_DEVICES="};
  const auto fit = on_ranks(2, command("fit", data, root_ / "run", {"--set", "compute.device=cuda"}));
  expect_refusal(run(fit, no_card), "finds no graphics card");
  EXPECT_FALSE(fs::exists(root_ / "run"));
  ASSERT_EQ(run(command("fit", data, root_ / "run", {"--set", "training.epochs=1"})).exit_code, 0);
  expect_refusal(
      run({program(), "evaluate", "--bundle", root_ / "run/bundle.pt", "--data", data, "--set", "device=cuda"},
          no_card),
      "finds no graphics card");
}

TEST_F(ProgramTest, FinishedRunIsFinishedAgainWithoutTraining) {
  const auto data = make_data();
  const ProcessResult first = run(command("fit", data, root_ / "run"));
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const std::string predictions = read_text_file(root_ / "run/predictions.csv");
  const ProcessResult again = run(command("fit", data, root_ / "run"));
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("resumed"));
  EXPECT_THAT(again.err, Not(HasSubstr("epoch done")));
  EXPECT_EQ(read_text_file(root_ / "run/predictions.csv"), predictions);
  expect_figures_recomputed(root_ / "run");
}

TEST_F(ProgramTest, RefusesToGoOnWithAnotherConfigurationUnlessFresh) {
  const auto data = make_data();
  ASSERT_EQ(run(command("fit", data, root_ / "run")).exit_code, 0);
  const std::vector<std::string> other = {"--set", "training.seed=9"};
  expect_refusal(run(command("fit", data, root_ / "run", other)), "--fresh");
  const ProcessResult fresh = run(command("fit", data, root_ / "run", {"--set", "training.seed=9", "--fresh"}));
  EXPECT_EQ(fresh.exit_code, 0) << fresh.err;
  EXPECT_THAT(fresh.err, Not(HasSubstr("resumed")));
}

TEST_F(ProgramTest, EvaluateGivesTheFiguresOfTheRun) {
  const auto data = make_data();
  ASSERT_EQ(run(command("fit", data, root_ / "run")).exit_code, 0);
  const ProcessResult result =
      run(on_ranks(2, {program(), "evaluate", "--bundle", root_ / "run/bundle.pt", "--data", data, "--split", "test",
                       "--output", root_ / "judged", "--set", "bootstrap=20"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("| patient"));
  const auto of_run = nlohmann::json::parse(read_text_file(root_ / "run/metrics.json"));
  const auto judged = nlohmann::json::parse(read_text_file(root_ / "judged/metrics.json"));
  EXPECT_EQ(judged.at("test").at("group").at("confusion"), of_run.at("test").at("group").at("confusion"));
  EXPECT_NEAR(judged.at("test").at("sample").at("brier").get<double>(),
              of_run.at("test").at("sample").at("brier").get<double>(), 1e-6);
  EXPECT_EQ(judged.at("data_digest"), of_run.at("data_digest"));
}

TEST_F(ProgramTest, EvaluateRefusesABundleOfOtherClasses) {
  const auto data = make_data();
  ASSERT_EQ(run(command("fit", data, root_ / "run", {"--set", "training.epochs=1"})).exit_code, 0);
  pulmo::testing::make_prepared_folder(root_ / "other", {.size_px = 16, .classes = {"benign", "malignant"}});
  expect_refusal(run({program(), "evaluate", "--bundle", root_ / "run/bundle.pt", "--data", root_ / "other"}),
                 "its classes are normal, malignant");
}

TEST_F(ProgramTest, CompareWritesTheTableAndTakesFinishedRowsOver) {
  const auto data = make_data({.size_px = 32, .patients = 20});
  const std::vector<std::string> more = {"--set", "rows=[majority, svm, forest, cnn3d, proposed_cnn, ensemble]",
                                         "--set", "svm.folds=2",
                                         "--set", "forest.trees=20",
                                         "--set", "forest.folds=2",
                                         "--set", "svm.c=[1]",
                                         "--set", "svm.gamma=[1]"};
  const ProcessResult first = run(on_ranks(2, command("compare", data, root_ / "run", more)));
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("| SVM-based CAD"));
  EXPECT_THAT(first.out, HasSubstr("| Random forest"));
  EXPECT_THAT(first.out, HasSubstr("| 3D CNN"));
  EXPECT_THAT(first.out, HasSubstr("| Ensemble"));
  for (const char* name : {"comparison.md", "comparison.csv", "comparison.json", "comparison.html", "svm/bundle.pt",
                           "majority/metrics.json", "proposed_cnn/predictions.csv", "ensemble/bundle.pt"}) {
    EXPECT_TRUE(fs::exists(root_ / "run" / name)) << name;
  }
  fs::remove(root_ / "run/svm/metrics.json");
  const ProcessResult again = run(on_ranks(2, command("compare", data, root_ / "run", more)));
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(count_of(again.err, "row taken over"), 5U) << again.err;
  EXPECT_EQ(again.out, first.out);
  for (const char* row : {"svm", "ensemble"}) {
    const ProcessResult judged = run({program(), "evaluate", "--bundle", root_ / "run" / row / "bundle.pt", "--data",
                                      data, "--output", root_ / "judged" / row, "--set", "bootstrap=0"});
    EXPECT_EQ(judged.exit_code, 0) << judged.err;
  }
  const auto brier = [](const fs::path& folder) {
    const auto json = nlohmann::json::parse(read_text_file(folder / "metrics.json"));
    return json.at("test").at("sample").at("brier").get<double>();
  };
  for (const char* row : {"svm", "ensemble"})
    EXPECT_NEAR(brier(root_ / "judged" / row), brier(root_ / "run" / row), 1e-6);
}

TEST_F(ProgramTest, CompareRefusesWhatALaterRowLacksBeforeItTrainsAny) {
  const auto data = make_data({.size_px = 32, .patients = 12});
  const auto refused = [&](const std::string& row, const std::vector<std::string>& more, const std::string& what) {
    std::vector<std::string> settings = {"--set", "rows=[majority, conventional_cnn, " + row + "]", "--set",
                                         "reference=conventional_cnn"};
    settings.insert(settings.end(), more.begin(), more.end());
    expect_refusal(run(command("compare", data, root_ / "run", settings)), what);
    EXPECT_FALSE(std::filesystem::exists(root_ / "run/majority")) << row;
  };
  refused("squeezenet", {}, "set transfer.squeezenet to");
  refused("squeezenet", {"--set", "transfer.squeezenet=/no/such.pth"}, "/no/such.pth is no file that can be read");
  refused("resnet18", {"--set", "transfer.resnet18=" + (data / "manifest.yaml").string()}, "manifest.yaml");
  refused("unet_densenet", {"--set", "transfer.densenet121=none"}, "no outlines of readers are stored");
  refused("resnet3d", {"--set", "transfer.resnet3d=row:resnet18"}, "needs the row resnet18 before resnet3d in rows");
  refused("resnet18", {"--set", "transfer.resnet18=row:resnet18"}, "is for resnet3d in compare");
  refused("svm", {"--set", "evaluation.slice_weights=sphere"}, "sphere is for nodules");
  auto check =
      command("compare", data, root_ / "run",
              {"--set", "rows=[conventional_cnn, squeezenet]", "--set", "reference=conventional_cnn", "--check"});
  expect_refusal(run(check), "set transfer.squeezenet to");
}

TEST_F(ProgramTest, CompareWithFoldsExtractsEverySamplesFeaturesOnce) {
  const auto data = make_data({.size_px = 32, .patients = 20});
  const ProcessResult result =
      run(on_ranks(2, command("compare", data, root_ / "run",
                              {"--set", "rows=[svm, forest]", "--set", "reference=svm", "--set", "folds=2", "--set",
                               "fold_validation=0.25", "--set", "svm.folds=2", "--set", "forest.trees=10", "--set",
                               "forest.folds=2", "--set", "svm.c=[1]", "--set", "svm.gamma=[1]"})));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  // The three parts of the first fold hold all samples; the second row and the second fold need no more.
  EXPECT_EQ(count_of(result.err, "features extracted"), 3U) << result.err;
  expect_figures_recomputed(root_ / "run/svm");  // pooled
  expect_figures_recomputed(root_ / "run/folds/2/forest");
}

TEST_F(SignalTest, OneSignalledRankStopsAllWithACheckpointAndTheRunGoesOn) {
  const auto data = make_data();
  const std::vector<std::string> many = {"--set", "training.epochs=40"};
  const std::vector<std::string> argv = on_ranks(2, command("fit", data, root_ / "run", many));
  Process process(argv);
  wait_for(process, [&] { return count_of(process.err(), "epoch done") >= 2; });
  const auto ranks = ranks_of(process);
  ASSERT_EQ(ranks.size(), 2U);
  ::kill(ranks.back(), SIGUSR1);
  const ProcessResult stopped = process.wait();
  EXPECT_EQ(stopped.exit_code, 75) << stopped.err;
  EXPECT_EQ(count_of(stopped.err, "stopped by a signal"), 1U) << stopped.err;
  EXPECT_FALSE(fs::exists(root_ / "run/bundle.pt"));

  // On another number of ranks, to the same end as a run that nobody disturbed.
  const ProcessResult resumed = run(on_ranks(3, command("fit", data, root_ / "run", many)));
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("resumed"));
  EXPECT_EQ(count_of(read_text_file(root_ / "run/log.jsonl"), "\n"), 40U);
  EXPECT_TRUE(fs::exists(root_ / "run/bundle.pt"));
}

TEST_F(SignalTest, SigtermStopsARunWithoutMpirunToo) {
  const auto data = make_data();
  Process process(command("fit", data, root_ / "run", {"--set", "training.epochs=500"}));
  wait_for(process, [&] { return count_of(process.err(), "epoch done") >= 1; });
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait().exit_code, 75);
}

TEST_F(SignalTest, OneRankThatFailsEndsTheJobWithItsMessage) {
  const auto data = make_data();
  const Manifest manifest = read_manifest(data);
  // Damage the pixels of one training image only: only the rank that is to read it meets it.
  const fs::path shard = data / manifest.split(Split::kTrain).shards.front().file;
  const std::string damage =
      "import h5py, sys\nf = h5py.File(sys.argv[1]); at = f['images'].id.get_chunk_info(0).byte_offset; f.close()\n"
      "b = bytearray(open(sys.argv[1], 'rb').read()); b[at + 20] ^= 64; open(sys.argv[1], 'wb').write(b)";
  ASSERT_EQ(run({pulmo::testing::python(), "-c", damage, shard}).exit_code, 0);
  const ProcessResult result = pulmo::testing::run_process(
      on_ranks(2, command("fit", data, root_ / "run", {"--set", "evaluation.verify_shards=false"})), {},
      std::chrono::seconds(60));
  EXPECT_NE(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("train-00000.h5"));
  EXPECT_EQ(count_of(result.err, "pulmo-train: "), 1U) << result.err;
}

}  // namespace
}  // namespace pulmo::training
