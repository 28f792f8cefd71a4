#include "training/options.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "core/support/atomic_file.h"
#include "core/support/bytes.h"
#include "core/support/error.h"
#include "core/support/yaml_reader.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo::training {
namespace {

using ::testing::HasSubstr;

std::filesystem::path configs() {
  return testing::source_dir() / "configs";
}

std::string refusal(const std::vector<std::string>& overrides) {
  try {
    read_fit_options({}, overrides);
  } catch (const InvalidInput& error) {
    return error.what();
  }
  return "accepted";
}

// Keys of the file, "section.key", whatever their values.
std::vector<std::string> keys_of(const YAML::Node& node, const std::string& prefix = "") {
  std::vector<std::string> keys;
  for (const auto& entry : node) {
    const auto key = prefix + entry.first.as<std::string>();
    if (entry.second.IsMap()) {
      for (const std::string& inner : keys_of(entry.second, key + ".")) keys.push_back(inner);
    } else {
      keys.push_back(key);
    }
  }
  return keys;
}

TEST(Options, ProposedCnnFileHoldsEveryKeyAtItsDefault) {
  EXPECT_EQ(to_yaml(read_fit_options(configs() / "train/proposed_cnn.yaml", {})), to_yaml(FitOptions{}));
  EXPECT_EQ(keys_of(load_yaml(configs() / "train/proposed_cnn.yaml")), keys_of(YAML::Load(to_yaml(FitOptions{}))));
}

TEST(Options, FilesOfOtherNetworksDifferInTheModelOnly) {
  for (const std::string name : {"conventional_cnn", "attention_cnn"}) {
    FitOptions expected;
    expected.model.name = name;
    EXPECT_EQ(to_yaml(read_fit_options(configs() / "train" / (name + ".yaml"), {})), to_yaml(expected));
  }
}

TEST(Options, EveryTransferRowHasItsOwnWeightFile) {
  FitOptions options;
  EXPECT_EQ(weights_file(options), "");
  for (const std::string row : {"squeezenet", "resnet18", "densenet121"}) {
    const std::vector<std::string> set = {"model.name=" + row, "transfer." + row + "=" + row + ".pth"};
    EXPECT_EQ(weights_file(read_fit_options({}, set)), row + ".pth");
  }
}

TEST(Options, EveryTrainingFileLoadsAndHoldsEveryKey) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(configs() / "train")) {
    EXPECT_NO_THROW(read_fit_options(entry.path(), {})) << entry.path();
    EXPECT_EQ(keys_of(load_yaml(entry.path())), keys_of(YAML::Load(to_yaml(FitOptions{})))) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 3);
}

TEST(Options, CompareFileHoldsEveryKeyAtItsDefault) {
  EXPECT_EQ(to_yaml(read_compare_options(configs() / "compare.yaml", {})), to_yaml(CompareOptions{}));
  EXPECT_EQ(keys_of(load_yaml(configs() / "compare.yaml")), keys_of(YAML::Load(to_yaml(CompareOptions{}))));
}

TEST(Options, CompareFileOfTheNodulesLoadsAndHoldsEveryKey) {
  const std::filesystem::path path = configs() / "compare_nodules.yaml";
  CompareOptions options = read_compare_options(path, {});
  EXPECT_EQ(options.folds, 5);
  for (const auto& [row, settings] : options.row_settings) {
    EXPECT_NE(std::find(options.rows.begin(), options.rows.end(), row), options.rows.end()) << row;
  }
  YAML::Node file = load_yaml(path);
  file["row_settings"] = YAML::Node(YAML::NodeType::Map);  // its keys are those that differ
  EXPECT_EQ(keys_of(file), keys_of(YAML::Load(to_yaml(CompareOptions{}))));
}

TEST(Options, EvaluateFileHoldsEveryKeyAtItsDefault) {
  EXPECT_EQ(to_yaml(read_evaluate_options(configs() / "evaluate.yaml", {})), to_yaml(EvaluateOptions{}));
  EXPECT_EQ(keys_of(load_yaml(configs() / "evaluate.yaml")), keys_of(YAML::Load(to_yaml(EvaluateOptions{}))));
}

TEST(Options, EffectiveConfigurationReadsBackTheSame) {
  const FitOptions changed =
      read_fit_options({}, {"model.dropout=0.1", "training.epochs=7", "training.precision=bf16",
                            "training.seed=123456789012345", "training.class_weights=balanced", "schedule.kind=cosine",
                            "schedule.learning_rate=0.000123", "augmentation.flips=true", "augmentation.shift_px=3",
                            "compute.threads=4", "checkpoint.keep=5", "evaluation.bootstrap=10"});
  const testing::TempDir folder;
  write_file_atomically(folder / "config.yaml", to_yaml(changed));
  const FitOptions again = read_fit_options(folder / "config.yaml", {});
  EXPECT_EQ(to_yaml(again), to_yaml(changed));
  EXPECT_EQ(again.training.seed, 123456789012345U);
  EXPECT_EQ(again.training.precision, Precision::kBf16);
  EXPECT_EQ(again.schedule.learning_rate, 0.000123);
  EXPECT_EQ(again.augmentation.shift_px, 3);
}

TEST(Options, SingleRowsOfAComparisonMayDiffer) {
  const CompareOptions options =
      read_compare_options({}, {"row_settings.cnn3d.training.epochs=24", "training.epochs=6", "compute.cache_mib=7",
                                "row_settings.slice_attention.schedule.learning_rate=0.002",
                                "row_settings.slice_attention.model.stack_slices=5"});
  const FitOptions volumes = options_of_row(options, "cnn3d");
  EXPECT_EQ(volumes.model.name, "cnn3d");
  EXPECT_EQ(volumes.training.epochs, 24);
  EXPECT_EQ(volumes.compute.cache_mib, 7);
  const FitOptions attention = options_of_row(options, "slice_attention");
  EXPECT_EQ(attention.training.epochs, 6);
  EXPECT_EQ(attention.schedule.learning_rate, 0.002);
  EXPECT_EQ(attention.model.stack_slices, 5);
  EXPECT_EQ(options_of_row(options, "proposed_cnn").training.epochs, 6);
  const testing::TempDir folder;
  write_file_atomically(folder / "config.yaml", to_yaml(options));
  EXPECT_EQ(to_yaml(read_compare_options(folder / "config.yaml", {})), to_yaml(options));
}

TEST(Options, RowsOfVolumesTellTheirWeightFile) {
  FitOptions options = read_fit_options({}, {"transfer.squeezenet=a.pth", "transfer.resnet3d=b.pth"});
  options.model.name = "slice_attention";
  EXPECT_EQ(weights_file(options), "a.pth");
  options.model.name = "resnet3d";
  EXPECT_EQ(weights_file(options), "b.pth");
  options.model.name = "cnn3d";
  EXPECT_EQ(weights_file(options), "");
}

TEST(Options, RefusesWhatItDoesNotKnowNamingTheKey) {
  EXPECT_THAT(refusal({"training.epoch=3"}), HasSubstr("training.epoch: unknown key"));
  EXPECT_THAT(refusal({"training.precision=half"}), HasSubstr("training.precision: 'half' is not one of"));
  EXPECT_THAT(refusal({"training.batch_size=0"}), HasSubstr("training.batch_size: 0 is outside"));
  EXPECT_THAT(refusal({"optimizer.beta1=1.5"}), HasSubstr("optimizer.beta1"));
  EXPECT_THAT(refusal({"model.dropout=one"}), HasSubstr("model.dropout: expected a number"));
  EXPECT_THROW(read_compare_options({}, {"svm.c=[]"}), InvalidInput);
  EXPECT_THROW(read_compare_options({}, {"svm.gamma=[-1]"}), InvalidInput);
  EXPECT_THROW(read_compare_options({}, {"model.name=proposed_cnn"}), InvalidInput);
  EXPECT_THROW(read_compare_options({}, {"forest.depth=[2.5]"}), InvalidInput);
  EXPECT_THROW(read_compare_options({}, {"forest.depth=[31]"}), InvalidInput);
  EXPECT_THROW(read_compare_options({}, {"row_settings.cnn3d.training.epoch=3"}), InvalidInput);
  EXPECT_THROW(read_compare_options({}, {"row_settings.cnn3d.compute.threads=3"}), InvalidInput);
}

TEST(Options, IdentityFollowsWhatDecidesTheResultAndNothingElse) {
  const auto identity = [](const std::vector<std::string>& overrides, const std::string& data = "d") {
    return run_identity(read_fit_options({}, overrides), data);
  };
  const std::string base = identity({});
  for (const char* same : {"compute.threads=7", "compute.device=cpu", "compute.cache_mib=0", "training.accumulate=4",
                           "checkpoint.keep=9", "evaluation.bootstrap=5"}) {
    EXPECT_EQ(identity({same}), base) << same;
  }
  for (const char* other : {"model.name=conventional_cnn", "model.dropout=0.4", "training.epochs=3", "training.seed=1",
                            "training.batch_size=16", "schedule.kind=cosine", "optimizer.beta1=0.8",
                            "augmentation.flips=true", "training.precision=fp32", "training.ema_decay=0.9"}) {
    EXPECT_NE(identity({other}), base) << other;
  }
  EXPECT_NE(identity({}, "other data"), base);
}

TEST(Options, IdentityOfAClassicalRowFollowsItsOwnSearchOnly) {
  const auto identity = [](const std::string& row, const std::vector<std::string>& overrides) {
    return classical_identity(row, read_compare_options({}, overrides), "d");
  };
  EXPECT_NE(identity("svm", {"svm.c=[1, 2]"}), identity("svm", {}));
  EXPECT_NE(identity("forest", {"forest.trees=7"}), identity("forest", {}));
  EXPECT_EQ(identity("forest", {"svm.c=[1, 2]"}), identity("forest", {}));
  EXPECT_EQ(identity("majority", {"svm.c=[1, 2]"}), identity("majority", {}));
  EXPECT_NE(identity("majority", {"training.seed=4"}), identity("majority", {}));
  EXPECT_NE(identity("majority", {}), identity("svm", {}));
}

}  // namespace
}  // namespace pulmo::training
