// 16-bit pictures of HU + 1024 inside a zip, from their table to a prepared folder.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo::pipeline {
namespace {

using ::testing::HasSubstr;

TEST(RealNodulePictures, EqualAReferencePipelineFromTheTableToTheShards) {
  const testing::TempDir dir;
  const std::string python = testing::python().string();
  const std::string zip = (testing::real_data_dir() / "lidc-nodules-71.zip").string();
  const std::string manifest = (dir / "nodules.csv").string();
  const std::string data = (dir / "data").string();
  const auto table = testing::run_process(
      {python, (testing::source_dir() / "scripts/nodule_slices_manifest.py").string(), zip, manifest});
  ASSERT_EQ(table.exit_code, 0) << table.err;
  std::vector<std::string> argv{
      (testing::bin_dir() / "pulmo-prepare").string(), "images", "--manifest", manifest, "--output", data};
  for (const char* setting :
       {"task=nodule", "images.intercept_hu=-1024", "preprocess.mask=none", "preprocess.size_px=64"}) {
    argv.insert(argv.end(), {"--set", setting});
  }
  const auto prepared = testing::run_process(argv);
  ASSERT_EQ(prepared.exit_code, 0) << prepared.err;
  const auto compared =
      testing::run_process({python, (testing::source_dir() / "tests/golden/nodules71_task.py").string(), data, zip});
  EXPECT_EQ(compared.exit_code, 0) << compared.err;
  EXPECT_THAT(compared.out, HasSubstr("1121 benign and 607 malignant pictures agree"));
}

}  // namespace
}  // namespace pulmo::pipeline
