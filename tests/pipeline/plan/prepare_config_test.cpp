#include "pipeline/plan/prepare_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/support/error.h"
#include "core/support/yaml_reader.h"
#include "tests/support/test_paths.h"

namespace pulmo::pipeline {
namespace {

using ::testing::HasSubstr;

YAML::Node file(const char* name) {
  return load_yaml(testing::source_dir() / "configs" / name);
}

void collect_keys(const YAML::Node& node, const std::string& path, std::set<std::string>& keys) {
  for (const auto& item : node) {
    const std::string key = path + item.first.as<std::string>();
    keys.insert(key);
    if (item.second.IsMap()) collect_keys(item.second, key + ".", keys);
  }
}

std::set<std::string> keys_of(const YAML::Node& node) {
  std::set<std::string> keys;
  collect_keys(node, "", keys);
  return keys;
}

LidcConfig lidc(const std::vector<std::string>& settings) {
  return read_lidc_config(load_yaml("", settings), "configuration");
}

std::string problem_of(const std::vector<std::string>& settings) {
  try {
    lidc(settings);
  } catch (const InvalidInput& error) {
    return error.what();
  }
  return "no problem";
}

TEST(PrepareConfig, FileForLidcHoldsEveryKeyWithItsDefault) {
  EXPECT_EQ(read_lidc_config(file("prepare.yaml"), "prepare.yaml"), LidcConfig());
  EXPECT_EQ(keys_of(file("prepare.yaml")), keys_of(to_yaml(LidcConfig())));
}

TEST(PrepareConfig, FileForImagesHoldsEveryKeyWithItsDefault) {
  EXPECT_EQ(read_images_config(file("prepare_images.yaml"), "prepare_images.yaml"), ImagesConfig());
  EXPECT_EQ(keys_of(file("prepare_images.yaml")), keys_of(to_yaml(ImagesConfig())));
}

TEST(PrepareConfig, FileForNodulesHoldsEveryKeyWithItsDefault) {
  const LidcConfig defaults = lidc({"task=nodule"});
  EXPECT_EQ(read_lidc_config(file("prepare_nodules.yaml"), "prepare_nodules.yaml"), defaults);
  EXPECT_EQ(keys_of(file("prepare_nodules.yaml")), keys_of(to_yaml(defaults)));
  EXPECT_EQ(defaults.nodule, NoduleOptions());
  EXPECT_EQ(defaults.preprocess.mask, LungMasking::kNone);
}

TEST(PrepareConfig, GivesVolumesTheSizeOfTheirExtent) {
  EXPECT_EQ(lidc({"task=nodule", "nodule.dimensions=3"}).preprocess.size_px, 48);
  EXPECT_EQ(lidc({"task=nodule", "nodule.dimensions=3", "nodule.voxel_mm=1.5"}).preprocess.size_px, 32);
  EXPECT_THAT(problem_of({"task=nodule", "nodule.dimensions=3", "preprocess.size_px=64"}), HasSubstr("= 48 voxels"));
}

TEST(PrepareConfig, RefusesWhatANodulePatchCannotHave) {
  EXPECT_THAT(problem_of({"task=nodule", "preprocess.mask=lungs"}),
              HasSubstr("preprocess.mask: task nodule needs none"));
  EXPECT_THAT(problem_of({"task=nodule", "preprocess.crop_px=64"}), HasSubstr("nodule.extent_mm"));
  EXPECT_THAT(problem_of({"nodule.dimensions=3"}), HasSubstr("nodule: unknown key"));
  EXPECT_THAT(problem_of({"task=nodule", "nodule.voxel_mm=10"}), HasSubstr("8 to 256 voxels"));
}

TEST(PrepareConfig, ReadsBackWhatItWrites) {
  const LidcConfig config = lidc({"seed=7", "labels.malignancy=median_high", "labels.margin_mm=7.25", "split.mode=none",
                                  "preprocess.mask=none", "preprocess.threshold=0.4", "preprocess.crop_px=300",
                                  "store.masks=false", "split.test_fraction=0.3"});
  EXPECT_EQ(read_lidc_config(to_yaml(config), "x"), config);
  EXPECT_EQ(config.labels.seed, 7U);
  EXPECT_EQ(config.split.seed, 7U);
  const ImagesConfig images = read_images_config(load_yaml("", {"images.intercept_hu=-1024", "task=nodule"}), "x");
  EXPECT_EQ(images.intercept_hu, -1024.0);
  EXPECT_EQ(read_images_config(to_yaml(images), "x"), images);
}

TEST(PrepareConfig, RefusesUnknownKeys) {
  EXPECT_THAT(problem_of({"labels.margin=3"}), HasSubstr("labels.margin: unknown key; known here"));
  EXPECT_THAT(problem_of({"trainer.epochs=3"}), HasSubstr("trainer: unknown key"));
}

TEST(PrepareConfig, RefusesValuesOutOfRange) {
  EXPECT_THAT(problem_of({"labels.min_readers=5"}), HasSubstr("outside [1, 4]"));
  EXPECT_THAT(problem_of({"split.test_fraction=1.5"}), HasSubstr("split.test_fraction"));
  EXPECT_THAT(problem_of({"split.folds=5", "split.fold=5"}), HasSubstr("split.fold"));
  EXPECT_THAT(problem_of({"split.folds=1"}), HasSubstr("split.folds"));
  EXPECT_THAT(problem_of({"split.mode=random"}), HasSubstr("not one of stratified, none, file"));
  EXPECT_THAT(problem_of({"split.mode=file"}), HasSubstr("name the file"));
  EXPECT_THAT(problem_of({"preprocess.window_high_hu=-2000"}), HasSubstr("window"));
}

}  // namespace
}  // namespace pulmo::pipeline
