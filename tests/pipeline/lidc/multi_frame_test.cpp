// CT objects of several frames, written by pydicom, against the same slices in files of their own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/store/manifest.h"
#include "core/support/yaml_reader.h"
#include "pipeline/lidc/catalogue.h"
#include "pipeline/run/prepare_lidc.h"
#include "tests/pipeline/support/lidc_files.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo::pipeline {
namespace {

using ::testing::HasSubstr;

class MultiFrame : public ::testing::Test {
 protected:
  MultiFrame() { testing::write_mini_archive(dir_ / "archive", 4, 16); }

  std::filesystem::path combine(const std::string& kind) const {
    const auto script = testing::source_dir() / "tests/golden/multi_frame_ct.py";
    const auto done = testing::run_process({testing::python().string(), script.string(),
                                            (dir_ / "archive/images").string(), (dir_ / kind).string(), kind});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return dir_ / kind;
  }

  RunSummary prepare(const std::filesystem::path& images, const std::string& output) const {
    LidcConfig config;
    config.preprocess.size_px = 64;
    config.split.mode = SplitMode::kNone;
    PrepareOptions options;
    options.output = dir_ / output;
    options.threads = 2;
    return prepare_lidc({{images}, {dir_ / "archive/annotations"}}, config, options).value();
  }

  ShardReader shard(const std::string& output) const {
    auto shards = open_split(dir_ / output, read_manifest(dir_ / output), Split::kTest, true);
    EXPECT_EQ(shards.size(), 1U);
    return std::move(shards.at(0));
  }

  void expect_same_samples(const std::string& output, const std::string& reference) const {
    const ShardReader frames = shard(output);
    const ShardReader files = shard(reference);
    ASSERT_EQ(frames.size(), files.size());
    EXPECT_EQ(frames.labels(), files.labels());
    EXPECT_EQ(frames.positions_mm(), files.positions_mm());
    std::vector<std::uint16_t> a(64 * 64);
    std::vector<std::uint16_t> b(64 * 64);
    for (std::int64_t i = 0; i < files.size(); ++i) {
      frames.read_image(i, a);
      files.read_image(i, b);
      EXPECT_EQ(a, b) << i;
      EXPECT_EQ(frames.read_nodules(i), files.read_nodules(i)) << i;
      EXPECT_THAT(frames.instances()[static_cast<std::size_t>(i)], HasSubstr(".99#"));
    }
  }

  testing::TempDir dir_;
};

TEST_F(MultiFrame, EnhancedCtGivesTheSamplesOfItsFramesAsSlices) {
  prepare(dir_ / "archive/images", "files");
  prepare(combine("enhanced"), "frames");
  expect_same_samples("frames", "files");
}

TEST_F(MultiFrame, LegacyConvertedCtGivesTheSamplesOfItsFramesAsSlices) {
  prepare(dir_ / "archive/images", "files");
  prepare(combine("legacy"), "frames");
  expect_same_samples("frames", "files");
}

TEST_F(MultiFrame, FramesAreOrderedByTheirOwnPositions) {
  Ledger ledger;
  const ByteSource source({combine("enhanced")});
  const auto series = read_catalogue(source, 2, ledger);
  ASSERT_EQ(series.size(), 4U);
  EXPECT_EQ(ledger.totals().at("dicom_slices"), 64);
  EXPECT_EQ(ledger.problems().total(), 0);
  std::set<std::int64_t> frames;
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(series[0].slices[i].z_mm, -100.0 + 4.0 * static_cast<double>(i));
    frames.insert(series[0].slices[i].frame);
  }
  EXPECT_EQ(frames.size(), 16U);
  EXPECT_EQ(series[0].slice_thickness_mm, 2.0);
  EXPECT_EQ(series[0].row_spacing_mm, 4.0);
}

TEST_F(MultiFrame, FramesWithoutPlacesAreLeftOutAndCounted) {
  Ledger ledger;
  const ByteSource source({combine("bare")});
  EXPECT_TRUE(read_catalogue(source, 2, ledger).empty());
  EXPECT_EQ(ledger.left_out(Scope::kFiles).count("multi_frame_without_positions"), 4);
}

}  // namespace
}  // namespace pulmo::pipeline
