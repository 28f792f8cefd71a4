// What pulmo-train leaves and tells, judged by other programs: scikit-learn, curl, a reader of event files.
#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "core/support/bytes.h"
#include "tests/support/free_port.h"
#include "tests/support/prepared_folder.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo::training {
namespace {

namespace fs = std::filesystem;
using pulmo::testing::free_port;
using pulmo::testing::Process;
using pulmo::testing::ProcessResult;
using pulmo::testing::run_process;
using ::testing::HasSubstr;
using Json = nlohmann::json;

class ReportProgramTest : public ::testing::Test {
 protected:
  static std::string program() { return pulmo::testing::bin_dir() / "pulmo-train"; }

  fs::path make_data() const {
    pulmo::testing::make_prepared_folder(root_ / "data", {.size_px = 32, .patients = 20});
    return root_ / "data";
  }

  static std::vector<std::string> command(const std::string& name, const fs::path& data, const fs::path& run,
                                          std::vector<std::string> settings) {
    std::vector<std::string> argv = {program(), name, "--data", data, "--output", run, "--progress", "none"};
    for (const char* fixed :
         {"training.epochs=2", "training.batch_size=8", "compute.threads=1", "evaluation.bootstrap=30"}) {
      settings.insert(settings.begin(), fixed);
    }
    for (const std::string& setting : settings) argv.insert(argv.end(), {"--set", setting});
    return argv;
  }

  static std::vector<std::string> on_two_ranks(std::vector<std::string> argv) {
    const std::vector<std::string> launcher = {"mpirun", "-n", "2"};
    argv.insert(argv.begin(), launcher.begin(), launcher.end());
    return argv;
  }

  static std::vector<std::string> compare_settings() {
    return {"rows=[majority, svm, proposed_cnn]",
            "svm.folds=2",
            "svm.c=[1]",
            "svm.gamma=[1]",
            "folds=3",
            "fold_validation=0.25"};
  }

  // Every figure of the folder, recomputed by another program.
  static void expect_agreement(const std::string& mode, const fs::path& folder) {
    const ProcessResult twin =
        run_process({pulmo::testing::python(),
                     pulmo::testing::source_dir() / "tests/golden/training_statistics_twin.py", mode, folder});
    EXPECT_EQ(twin.exit_code, 0) << folder << "\n" << twin.out << twin.err;
  }

  static std::size_t count_of(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
    return count;
  }

  pulmo::testing::TempDir root_;
};

TEST_F(ReportProgramTest, EveryFigureOfAFitAgreesWithScikitLearn) {
  const auto data = make_data();
  const ProcessResult fit = run_process(on_two_ranks(command("fit", data, root_ / "run", {})));
  ASSERT_EQ(fit.exit_code, 0) << fit.err;
  const Json metrics = Json::parse(read_text_file(root_ / "run/metrics.json"));
  for (const char* split : {"validation", "test"}) {
    for (const char* level : {"sample", "group", "patient"}) EXPECT_TRUE(metrics.at(split).contains(level));
  }
  expect_agreement("metrics", root_ / "run");

  const ProcessResult judged = run_process({program(), "evaluate", "--bundle", root_ / "run/bundle.pt", "--data", data,
                                            "--split", "all", "--output", root_ / "judged", "--set", "bootstrap=30"});
  ASSERT_EQ(judged.exit_code, 0) << judged.err;
  EXPECT_TRUE(Json::parse(read_text_file(root_ / "judged/metrics.json")).contains("train"));
  expect_agreement("metrics", root_ / "judged");
}

TEST_F(ReportProgramTest, OutlinesAreMeasuredAsNumpyDoes) {
  const auto data = root_ / "data";
  pulmo::testing::make_prepared_folder(data, {.size_px = 32, .patients = 20, .masks = true});
  // Hardly trained, it outlines about half of all pixels, here and there within a nodule.
  const ProcessResult fit =
      run_process(on_two_ranks(command("fit", data, root_ / "run",
                                       {"model.name=unet_densenet", "transfer.densenet121=none", "training.epochs=1",
                                        "training.precision=fp32", "schedule.learning_rate=1e-6"})));
  ASSERT_EQ(fit.exit_code, 0) << fit.err;
  const auto measure = [&](const fs::path& bundle) {
    return run_process(
        {program(), "outlines", "--bundle", bundle, "--data", data, "--output", root_ / "outlines.json"});
  };
  const ProcessResult measured = measure(root_ / "run/bundle.pt");
  ASSERT_EQ(measured.exit_code, 0) << measured.err;
  EXPECT_THAT(measured.out, HasSubstr("at least 3 readers"));
  const ProcessResult twin =
      run_process({pulmo::testing::python(), pulmo::testing::source_dir() / "tests/golden/outline_twin.py",
                   root_ / "run/bundle.pt", data, root_ / "outlines.json"});
  EXPECT_EQ(twin.exit_code, 0) << twin.out << twin.err;

  ASSERT_EQ(run_process(command("fit", data, root_ / "other", {"training.epochs=1"})).exit_code, 0);
  const ProcessResult refused = measure(root_ / "other/bundle.pt");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("outlines no nodules"));

  pulmo::testing::make_prepared_folder(root_ / "bare", {.size_px = 32, .patients = 20});
  const ProcessResult bare = run_process(
      command("fit", root_ / "bare", root_ / "never", {"model.name=unet_densenet", "transfer.densenet121=none"}));
  EXPECT_EQ(bare.exit_code, 1);
  EXPECT_THAT(bare.err, HasSubstr("store.masks"));
}

TEST_F(ReportProgramTest, ExplanationsAreMeasured) {
  pulmo::testing::make_prepared_folder(root_ / "data", {.size_px = 32, .patients = 20, .masks = true});
  const ProcessResult trained =
      run_process(command("compare", root_ / "data", root_ / "run",
                          {"rows=[svm, proposed_cnn, cnn3d]", "svm.folds=2", "svm.c=[1]", "svm.gamma=[1]"}));
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const auto measure = [&](const std::string& row, std::vector<std::string> more) {
    std::vector<std::string> argv = {program(), "faithfulness", "--bundle",  root_ / "run" / row / "bundle.pt",
                                     "--data",  root_ / "data", "--samples", "6"};
    argv.insert(argv.end(), more.begin(), more.end());
    return argv;
  };
  const auto output = root_ / "faithful.json";
  const ProcessResult network = run_process(on_two_ranks(measure("proposed_cnn", {"--output", output})));
  ASSERT_EQ(network.exit_code, 0) << network.err;
  EXPECT_THAT(network.out, HasSubstr("6 of 16 test samples"));
  const Json methods = Json::parse(read_text_file(output)).at("methods");
  std::vector<std::string> names;
  for (const Json& method : methods) {
    names.push_back(method.at("name"));
    EXPECT_EQ(method.at("n"), 6);
    for (const char* area : {"deletion", "insertion"}) {
      EXPECT_GT(method.at(area).at("mean"), 0.0);
      EXPECT_LT(method.at(area).at("mean"), 1.0);
    }
  }
  EXPECT_THAT(names, ::testing::ElementsAre("grad_cam", "integrated_gradients", "random", "centre"));
  EXPECT_GT(methods.at(2).at("inside").at("mean"), 0.0);  // the outlines' share of the picture

  const ProcessResult features = run_process(measure("svm", {}));
  EXPECT_EQ(features.exit_code, 0) << features.err;
  EXPECT_THAT(features.out, HasSubstr("| occlusion"));
  const ProcessResult volumes = run_process(measure("cnn3d", {"--methods", "grad_cam,occlusion"}));
  EXPECT_EQ(volumes.exit_code, 0) << volumes.err;
  const ProcessResult refused = run_process(on_two_ranks(measure("svm", {"--methods", "grad_cam"})));
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("the row svm has no gradients for grad_cam"));
  EXPECT_EQ(run_process(measure("svm", {"--methods", "guess"})).exit_code, 2);
}

TEST_F(ReportProgramTest, FoldsTestEachPatientOnceAndGoOnWhereTheyWere) {
  const auto data = make_data();
  const auto argv = on_two_ranks(command("compare", data, root_ / "run", compare_settings()));
  const ProcessResult first = run_process(argv);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("3 patient folds"));
  expect_agreement("paired", root_ / "run");
  for (const std::string row : {"majority", "svm", "proposed_cnn"}) {
    expect_agreement("metrics", root_ / "run" / row);
    expect_agreement("metrics", root_ / "run/folds/2" / row);
    EXPECT_TRUE(fs::exists(root_ / "run" / row / "bundle.pt"));
  }
  const Json metrics = Json::parse(read_text_file(root_ / "run/proposed_cnn/metrics.json"));
  EXPECT_EQ(metrics.at("test").at("patient").at("n"), 20);
  EXPECT_EQ(metrics.at("test").at("sample").at("n"), 80);
  EXPECT_EQ(metrics.at("folds").size(), 3U);
  EXPECT_THAT(read_text_file(root_ / "run/comparison.html"), HasSubstr("src=\"data:image/png;base64,"));

  fs::remove(root_ / "run/folds/2/proposed_cnn/metrics.json");
  const ProcessResult again = run_process(argv);
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(count_of(again.err, "row taken over"), 8U) << again.err;
  EXPECT_EQ(again.out, first.out);
}

TEST_F(ReportProgramTest, FoldsMadeApartGiveTheSameTable) {
  const auto data = make_data();
  const auto argv = command("compare", data, root_ / "run", compare_settings());
  auto only = argv;
  only.insert(only.end(), {"--fold", ""});
  for (const char* fold : {"2", "3", "1"}) {
    only.back() = fold;
    const ProcessResult part = run_process(only);
    ASSERT_EQ(part.exit_code, 0) << part.err;
    EXPECT_FALSE(fs::exists(root_ / "run/comparison.md"));
  }
  const ProcessResult pooled = run_process(argv);
  ASSERT_EQ(pooled.exit_code, 0) << pooled.err;
  EXPECT_EQ(count_of(pooled.err, "row taken over"), 9U) << pooled.err;

  const ProcessResult whole = run_process(command("compare", data, root_ / "whole", compare_settings()));
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  for (const std::string row : {"majority", "svm", "proposed_cnn"}) {
    const fs::path file = fs::path(row) / "predictions.csv";
    EXPECT_EQ(read_text_file(root_ / "run" / file), read_text_file(root_ / "whole" / file)) << row;
  }
}

TEST_F(ReportProgramTest, RefusesAFoldThatIsNone) {
  const auto data = make_data();
  auto argv = command("compare", data, root_ / "run", compare_settings());
  argv.insert(argv.end(), {"--fold", "4"});
  const ProcessResult beyond = run_process(argv);
  EXPECT_EQ(beyond.exit_code, 2);
  EXPECT_THAT(beyond.err, HasSubstr("there are 3 folds"));
  argv = command("compare", data, root_ / "run", {});
  argv.insert(argv.end(), {"--fold", "1"});
  EXPECT_EQ(run_process(argv).exit_code, 2);
}

TEST_F(ReportProgramTest, TheBundleOfFoldsIsThatOfTheMedianFold) {
  const auto data = make_data();
  const ProcessResult run = run_process(command("compare", data, root_ / "run", compare_settings()));
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const Json folds = Json::parse(read_text_file(root_ / "run/proposed_cnn/metrics.json")).at("folds");
  std::vector<double> areas;
  for (const Json& fold : folds) areas.push_back(fold.at("validation_roc_auc"));
  std::vector<double> sorted = areas;
  std::sort(sorted.begin(), sorted.end());
  const auto median = std::find(areas.begin(), areas.end(), sorted[1]) - areas.begin();
  const auto fold = root_ / ("run/folds/" + std::to_string(median + 1));
  EXPECT_EQ(read_text_file(root_ / "run/proposed_cnn/bundle.pt"), read_text_file(fold / "proposed_cnn/bundle.pt"));
  const std::string best = Json::parse(read_text_file(root_ / "run/comparison.json")).at("best").at("row");
  EXPECT_EQ(read_text_file(root_ / "run/bundle.pt"), read_text_file(root_ / "run" / best / "bundle.pt"));

  // Judged on the same folder it meets the patients whom its fold left out, not those of the prepared test part.
  const ProcessResult judged = run_process({program(), "evaluate", "--bundle", root_ / "run/proposed_cnn/bundle.pt",
                                            "--data", data, "--output", root_ / "judged", "--set", "threads=1"});
  ASSERT_EQ(judged.exit_code, 0) << judged.err;
  EXPECT_THAT(judged.err, HasSubstr("the bundle is of one fold of this data"));
  const Json test = Json::parse(read_text_file(fold / "proposed_cnn/metrics.json")).at("test").at("sample");
  const Json again = Json::parse(read_text_file(root_ / "judged/metrics.json")).at("test").at("sample");
  EXPECT_EQ(again.at("n"), test.at("n"));
  EXPECT_EQ(again.at("confusion"), test.at("confusion"));
}

TEST_F(ReportProgramTest, ARowOfVolumesBeginsWithThatOfSlicesOfItsOwnFold) {
  const auto data = make_data();
  const auto compared = [&](const std::string& weights, const std::string& fold) {
    auto argv = command(
        "compare", data, root_ / "run",
        {"rows=[resnet18, resnet3d]", "reference=resnet18", "folds=2", "fold_validation=0.25", "transfer.resnet18=none",
         "transfer.frozen_epochs=0", "training.epochs=1", "model.stack_slices=2", "transfer.resnet3d=" + weights});
    if (!fold.empty()) argv.insert(argv.end(), {"--fold", fold});
    return run_process(argv);
  };
  const ProcessResult all = compared("row:resnet18", "");
  ASSERT_EQ(all.exit_code, 0) << all.err;
  const std::string first = root_ / "run/folds/1/resnet18/bundle.pt";
  const ProcessResult own = compared(first, "1");
  EXPECT_EQ(own.exit_code, 0) << own.err;
  EXPECT_THAT(own.err, HasSubstr("row taken over from an earlier run row=resnet3d"));
  const ProcessResult other = compared(first, "2");
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.err, HasSubstr("another configuration"));
}

TEST_F(ReportProgramTest, AnotherFolderIsJudgedOnTheSameTestPatients) {
  const auto data = make_data();
  auto argv = command("compare", data, root_ / "run", compare_settings());
  argv.insert(argv.end(), {"--also", "again=" + data.string()});
  const ProcessResult run = run_process(argv);
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("# Comparison of models on again"));
  // The same samples under another name have the same figures, up to the rounding of their probabilities.
  for (const std::string row : {"svm", "proposed_cnn"}) {
    const Json first = Json::parse(read_text_file(root_ / "run" / row / "metrics.json")).at("test");
    const Json again = Json::parse(read_text_file(root_ / "run/also-again" / row / "metrics.json")).at("test");
    for (const char* level : {"sample", "group", "patient"}) {
      EXPECT_EQ(again.at(level).at("n"), first.at(level).at("n"));
      EXPECT_EQ(again.at(level).at("confusion"), first.at(level).at("confusion"));
      EXPECT_NEAR(again.at(level).at("brier").get<double>(), first.at(level).at("brier").get<double>(), 1e-5);
    }
  }
  expect_agreement("metrics", root_ / "run/also-again/svm");

  pulmo::testing::make_prepared_folder(root_ / "other", {.size_px = 32, .patients = 20, .classes = {"a", "b"}});
  argv.back() = "other=" + (root_ / "other").string();
  const ProcessResult refused = run_process(argv);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("its classes are not those of"));
  argv.back() = "nameless";
  EXPECT_EQ(run_process(argv).exit_code, 2);
}

TEST_F(ReportProgramTest, RefusesFoldsThatCannotBe) {
  const auto data = make_data();
  const ProcessResult one = run_process(command("compare", data, root_ / "run", {"folds=1"}));
  EXPECT_EQ(one.exit_code, 1);
  EXPECT_THAT(one.err, HasSubstr("at least 2"));
  const ProcessResult many = run_process(command("compare", data, root_ / "run", {"folds=21"}));
  EXPECT_EQ(many.exit_code, 1);
  EXPECT_THAT(many.err, HasSubstr("20 patients for 21 folds"));
}

TEST_F(ReportProgramTest, ARunningTrainingCanBeScrapedAndLeavesEventFiles) {
  const auto data = make_data();
  const std::string port = std::to_string(free_port());
  Process process(on_two_ranks(command("fit", data, root_ / "run",
                                       {"training.epochs=400", "watch.metrics_address=127.0.0.1",
                                        "watch.metrics_port=" + port, "watch.every_steps=1"})));
  std::string text;
  for (int i = 0; i < 600 && text.find("pulmo_training_validation_roc_auc 0.") == std::string::npos &&
                  text.find("pulmo_training_validation_roc_auc 1") == std::string::npos;
       ++i) {
    ASSERT_TRUE(process.running()) << process.err();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    text = run_process({"curl", "-s", "http://127.0.0.1:" + port + "/metrics"}).out;
  }
  EXPECT_THAT(text, HasSubstr("pulmo_training_ranks 2"));
  EXPECT_THAT(text, HasSubstr("row=\"proposed_cnn\"} 1"));
  EXPECT_THAT(text, HasSubstr("pulmo_training_epochs 400"));
  process.signal(SIGUSR1);
  EXPECT_EQ(process.wait().exit_code, 75);

  std::vector<std::string> reader = {pulmo::testing::python(),
                                     pulmo::testing::source_dir() / "tests/golden/event_file_reader.py"};
  for (const auto& entry : fs::directory_iterator(root_ / "run/tensorboard")) reader.push_back(entry.path());
  const ProcessResult events = run_process(reader);
  ASSERT_EQ(events.exit_code, 0) << events.err;
  std::istringstream lines(events.out);
  std::vector<double> losses;
  for (std::string line; std::getline(lines, line);) {
    const Json values = Json::parse(line).value("values", Json::object());
    if (values.contains("train/loss")) losses.push_back(values.at("train/loss"));
  }
  std::istringstream log(read_text_file(root_ / "run/log.jsonl"));
  std::vector<double> logged;
  for (std::string line; std::getline(log, line);) logged.push_back(Json::parse(line).at("train").at("loss"));
  ASSERT_EQ(losses.size(), logged.size());
  for (std::size_t i = 0; i < losses.size(); ++i) EXPECT_NEAR(losses[i], logged[i], 1e-6);
}

TEST_F(ReportProgramTest, PlotDrawsTheCurvesOfARun) {
  const auto data = make_data();
  ASSERT_EQ(run_process(command("fit", data, root_ / "run", {})).exit_code, 0);
  const ProcessResult plot = run_process({program(), "plot", root_ / "run"});
  EXPECT_EQ(plot.exit_code, 0) << plot.err;
  EXPECT_THAT(read_text_file(root_ / "run/curves.svg"), HasSubstr("<polyline"));
  ASSERT_EQ(run_process({program(), "plot", root_ / "run", "--output", root_ / "c.svg"}).exit_code, 0);
  EXPECT_EQ(read_text_file(root_ / "c.svg"), read_text_file(root_ / "run/curves.svg"));
  const ProcessResult nothing = run_process({program(), "plot", root_ / "nowhere"});
  EXPECT_EQ(nothing.exit_code, 1);
  EXPECT_THAT(nothing.err, HasSubstr("log.jsonl"));
}

}  // namespace
}  // namespace pulmo::training
