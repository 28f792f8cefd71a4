#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "core/store/manifest.h"
#include "core/support/atomic_file.h"
#include "core/support/bytes.h"
#include "pipeline/input/csv.h"
#include "pipeline/run/output_folder.h"
#include "tests/pipeline/support/lidc_files.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo::pipeline {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::ProcessResult;

/// The program itself on a mini archive.
class PrepareProgram : public ::testing::Test {
 protected:
  PrepareProgram() { testing::write_mini_archive(dir_ / "archive", 8, 16); }

  static std::string program() { return (testing::bin_dir() / "pulmo-prepare").string(); }
  std::vector<std::string> lidc(const std::vector<std::string>& more = {}, const std::string& output = "out") const {
    std::vector<std::string> argv{program(),       "lidc",
                                  "--input",       (dir_ / "archive/images").string(),
                                  "--annotations", (dir_ / "archive/annotations").string(),
                                  "--output",      (dir_ / output).string(),
                                  "--set",         "preprocess.size_px=64"};
    argv.insert(argv.end(), more.begin(), more.end());
    return argv;
  }

  testing::TempDir dir_;
};

TEST_F(PrepareProgram, PreparesAndSaysWhatItMade) {
  const ProcessResult result = testing::run_process(lidc());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("normal"));
  EXPECT_THAT(result.out, HasSubstr("data digest"));
  EXPECT_TRUE(fs::exists(dir_ / "out/manifest.yaml"));
  EXPECT_TRUE(fs::exists(dir_ / "out/report.yaml"));
}

TEST_F(PrepareProgram, ExplainsEachCommand) {
  for (const char* command : {"lidc", "images", "phantom", "annotations", "inspect", "verify", "merge"}) {
    const ProcessResult result = testing::run_process({program(), command, "--help"});
    EXPECT_EQ(result.exit_code, 0) << command;
    EXPECT_THAT(result.out, HasSubstr("Usage: pulmo-prepare " + std::string(command)));
  }
  EXPECT_EQ(testing::run_process({program(), "--version"}).exit_code, 0);
}

TEST_F(PrepareProgram, InspectsAndVerifiesWhatItMade) {
  ASSERT_EQ(testing::run_process(lidc()).exit_code, 0);
  const std::string out = (dir_ / "out").string();
  const std::string png = (dir_ / "montage.png").string();
  const ProcessResult text = testing::run_process({program(), "inspect", out, "--montage", png});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("malignant"));
  EXPECT_GT(fs::file_size(png), 1000U);
  const ProcessResult json = testing::run_process({program(), "inspect", out, "--json"});
  EXPECT_EQ(nlohmann::json::parse(json.out)["total"]["samples"], 24);
  EXPECT_EQ(testing::run_process({program(), "verify", out}).exit_code, 0);
  std::string bytes = read_text_file(dir_ / "out/test-00000.h5");
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  testing::write_text(dir_ / "out/test-00000.h5", bytes);
  const ProcessResult damaged = testing::run_process({program(), "verify", out});
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_THAT(damaged.err, HasSubstr("must not be used"));
  EXPECT_EQ(testing::run_process({program(), "inspect", (dir_ / "archive").string()}).exit_code, 1);
}

// Python parses the page and computes its numbers again.
TEST_F(PrepareProgram, LeavesAReportOfTheCollectionThatHolds) {
  testing::write_text(dir_ / "archive/images/P-0/broken.dcm", "not a DICOM file");
  testing::write_text(dir_ / "archive/annotations/cxr.xml", "<IdriReadMessage/>");
  ASSERT_EQ(testing::run_process(lidc()).exit_code, 0);
  const auto script = testing::source_dir() / "tests/golden/collection_page_check.py";
  fs::remove(dir_ / "archive/images/P-0/broken.dcm");  // pydicom cannot read it either
  const ProcessResult again = testing::run_process(
      {testing::python().string(), script.string(), (dir_ / "out").string(), (dir_ / "archive/images").string()});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("page of 24 samples"));
}

TEST_F(PrepareProgram, MakesALostReportOfAFinishedFolderAgain) {
  ASSERT_EQ(testing::run_process(lidc()).exit_code, 0);
  const std::string page = read_text_file(dir_ / "out/report.html");
  fs::remove(dir_ / "out/report.html");
  const fs::path half_written = dir_ / "out/report.html.tmp-1-1";  // by a process that was killed
  write_file_atomically(half_written, "<html>");
  ASSERT_EQ(testing::run_process(lidc()).exit_code, 0);
  EXPECT_EQ(read_text_file(dir_ / "out/report.html"), page);
  EXPECT_FALSE(fs::exists(half_written));
  const std::string other = (dir_ / "other.html").string();
  ASSERT_EQ(testing::run_process({program(), "inspect", (dir_ / "out").string(), "--html", other}).exit_code, 0);
  EXPECT_EQ(read_text_file(other), page);
}

TEST_F(PrepareProgram, ListsTheNodulesOfReadings) {
  const std::string table = (dir_ / "nodules.csv").string();
  const ProcessResult result = testing::run_process(
      {program(), "annotations", "--annotations", (dir_ / "archive/annotations").string(), "--output", table});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const CsvTable csv(read_text_file(table), "nodules.csv");
  ASSERT_EQ(csv.rows().size(), 8U);
  const auto& row = csv.rows()[0].fields;
  EXPECT_EQ(row[csv.require("series_uid")], "2.25.1000");
  EXPECT_EQ(row[csv.require("readers")], "2");
  EXPECT_EQ(row[csv.require("malignancies")], "5;5");
  EXPECT_EQ(row[csv.require("slices")], "3");
  EXPECT_EQ(row[csv.require("consensus_voxels")], "75");           // the diamond of radius 4 encloses 25 pixels
  EXPECT_EQ(row[csv.require("diameter_mm")], "5.600");             // 8 pixels of 0.7 mm
  EXPECT_EQ(row[csv.require("consensus_volume_mm3")], "147.000");  // 75 x 0.7 x 0.7 x 4 mm
  EXPECT_EQ(row[csv.require("reader_dice")], "1.0000");            // both draw the same
  EXPECT_THAT(result.out, Not(HasSubstr("reader_dice")));          // no nodule of three readers
}

TEST_F(PrepareProgram, ExitsWithTwoForWrongUsage) {
  EXPECT_EQ(testing::run_process({program()}).exit_code, 2);
  EXPECT_EQ(testing::run_process({program(), "lidc"}).exit_code, 2);
  EXPECT_EQ(testing::run_process({program(), "bake"}).exit_code, 2);
  EXPECT_EQ(testing::run_process(lidc({"--part", "3/2"})).exit_code, 2);
  EXPECT_EQ(testing::run_process(lidc({"--part", "x"})).exit_code, 2);
  EXPECT_EQ(testing::run_process(lidc({"--set", "nonsense"})).exit_code, 2);
}

TEST_F(PrepareProgram, ExitsWithOneForAnUnknownConfigurationKey) {
  const ProcessResult result = testing::run_process(lidc({"--set", "labels.margin=3"}));
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("labels.margin: unknown key"));
  EXPECT_FALSE(fs::exists(dir_ / "out"));
}

TEST_F(PrepareProgram, ExitsWithOneForAnOutputThatCannotBeWritten) {
  testing::write_text(dir_ / "file", "in the way");
  const ProcessResult result = testing::run_process(lidc({}, "file/out"));
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("file/out"));
}

TEST_F(PrepareProgram, ExitsWithOneForACorruptZip) {
  testing::write_text(dir_ / "bad.zip", "PK\x03\x04 and then nonsense");
  const ProcessResult result =
      testing::run_process({program(), "lidc", "--input", (dir_ / "bad.zip").string(), "--annotations",
                            (dir_ / "archive/annotations").string(), "--output", (dir_ / "out").string()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("corrupt_zip"));
}

TEST_F(PrepareProgram, ContinuesAfterASignalAndEndsWithTheSameDigests) {
  const std::vector<std::string> settings{"--set", "store.shard_samples=2", "--threads", "1"};
  ASSERT_EQ(testing::run_process(lidc(settings, "straight")).exit_code, 0);
  for (int attempt = 0; attempt < 40 && !fs::exists(dir_ / "out/manifest.yaml"); ++attempt) {
    testing::Process process(lidc(settings));
    std::this_thread::sleep_for(std::chrono::milliseconds(15 + 5 * attempt));
    process.signal(attempt % 2 == 0 ? SIGTERM : SIGKILL);
    const ProcessResult result = process.wait();
    if (result.exit_code == 75) {
      EXPECT_THAT(result.err, HasSubstr("stopped by a signal"));
    }
    EXPECT_TRUE(result.exit_code == 75 || result.exit_code == 0 || result.exit_code > 128) << result.err;
  }
  ASSERT_EQ(testing::run_process(lidc(settings)).exit_code, 0);
  EXPECT_EQ(read_manifest(dir_ / "out").data_digest(), read_manifest(dir_ / "straight").data_digest());
  for (const auto& item : fs::directory_iterator(dir_ / "out")) {
    EXPECT_THAT(item.path().filename().string(), ::testing::Not(HasSubstr(".tmp")));
  }
}

TEST_F(PrepareProgram, EndsWithSeventyFiveAfterASignal) {
  const auto signalled = [this](int number, const std::string& output) {
    testing::Process process(lidc({"--threads", "1", "--set", "store.shard_samples=1"}, output));
    while (process.running() && !fs::exists(dir_ / output / ".pulmo-prepare/run.lock")) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    process.signal(number);
    return process.wait();
  };
  for (const int number : {SIGTERM, SIGINT}) {
    ProcessResult result;
    for (int attempt = 0; attempt < 20; ++attempt) {  // it may be done before the signal comes
      result = signalled(number, std::to_string(number) + "-" + std::to_string(attempt));
      if (result.exit_code != 0) break;
    }
    EXPECT_EQ(result.exit_code, 75) << result.err;
    EXPECT_THAT(result.err, HasSubstr("stopped by a signal"));
  }
}

// No file may grow beyond 40 kB, as if the disk were full in the middle of a shard.
TEST_F(PrepareProgram, NamesWhatCannotBeWrittenToAFullDiskAndContinuesLater) {
  const std::vector<std::string> settings{"--set", "store.shard_samples=4"};
  ASSERT_EQ(testing::run_process(lidc(settings, "straight")).exit_code, 0);
  std::vector<std::string> limited{"bash", "-c", "trap '' XFSZ; ulimit -f 40; exec \"$@\"", "bash"};
  for (const std::string& argument : lidc(settings)) limited.push_back(argument);
  const ProcessResult full = testing::run_process(limited);
  EXPECT_EQ(full.exit_code, 1);
  EXPECT_THAT(full.err, HasSubstr((dir_ / "out").string()));
  EXPECT_THAT(full.err, HasSubstr(".h5"));
  EXPECT_FALSE(fs::exists(dir_ / "out/manifest.yaml"));
  ASSERT_EQ(testing::run_process(lidc(settings)).exit_code, 0);
  EXPECT_EQ(read_manifest(dir_ / "out").data_digest(), read_manifest(dir_ / "straight").data_digest());
  EXPECT_FALSE(fs::exists(dir_ / "out/.pulmo-prepare"));
}

TEST_F(PrepareProgram, LetsOnlyOneProcessWriteToAFolder) {
  std::optional<OutputFolder> first(std::in_place, dir_ / "out");
  const ProcessResult second = testing::run_process(lidc({}));
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.err, HasSubstr("another pulmo-prepare"));
  first.reset();
  EXPECT_EQ(testing::run_process(lidc({})).exit_code, 0);
}

TEST_F(PrepareProgram, LetsPartsWriteToAFolderTogetherButNotBesideAWholeRun) {
  const auto part = [this](const std::string& number) { return lidc({"--part", number + "/2"}); };
  std::optional<OutputFolder> first(std::in_place, dir_ / "out", "part-1-of-2");
  const ProcessResult second = testing::run_process(part("2"));
  EXPECT_EQ(second.exit_code, 0) << second.err;
  EXPECT_THAT(testing::run_process(part("1")).err, HasSubstr("another pulmo-prepare"));
  EXPECT_THAT(testing::run_process(lidc({})).err, HasSubstr("another pulmo-prepare"));
  first.reset();
  EXPECT_EQ(testing::run_process(part("1")).exit_code, 0);
}

}  // namespace
}  // namespace pulmo::pipeline
