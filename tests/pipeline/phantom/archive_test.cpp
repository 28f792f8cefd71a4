#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <map>
#include <opencv2/core.hpp>
#include <thread>

#include "core/support/atomic_file.h"
#include "core/support/digest.h"
#include "core/support/error.h"
#include "pipeline/phantom/ct_file.h"
#include "pipeline/phantom/phantom.h"
#include "pipeline/phantom/slice_renderer.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo::pipeline {
namespace {

namespace fs = std::filesystem;
using pulmo::testing::TempDir;

PhantomOptions small_archive() {
  PhantomOptions options;
  options.patients = 3;
  options.seed = 4;
  options.matrix_px = 96;
  options.slices = 10;
  options.threads = 2;
  return options;
}

std::map<std::string, std::string> digests(const fs::path& folder) {
  std::map<std::string, std::string> all;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) all[fs::relative(entry.path(), folder).string()] = sha256_file(entry.path());
  }
  return all;
}

std::string refusal(const PhantomOptions& options, const fs::path& output) {
  try {
    write_phantom(options, output);
  } catch (const InvalidInput& error) {
    return error.reason();
  }
  return "";
}

TEST(WritePhantom, BytesDoNotDependOnTheNumberOfThreads) {
  const TempDir folder;
  PhantomOptions options = small_archive();
  write_phantom(options, folder / "two");
  options.threads = 1;
  write_phantom(options, folder / "one");
  const auto files = digests(folder / "one");
  EXPECT_EQ(files.size(), 3U * 10U + 3U + 2U);
  EXPECT_EQ(files, digests(folder / "two"));
}

TEST(WritePhantom, AnotherSeedGivesAnotherArchive) {
  const TempDir folder;
  PhantomOptions options = small_archive();
  options.patients = 1;
  write_phantom(options, folder / "a");
  options.seed = 5;
  write_phantom(options, folder / "b");
  const auto first = digests(folder / "a");
  const auto second = digests(folder / "b");
  ASSERT_EQ(first.size(), second.size());
  for (const auto& [name, digest] : first) EXPECT_NE(second.at(name), digest) << name;
}

TEST(WritePhantom, MorePatientsLeaveTheFirstOnesAsTheyAre) {
  const TempDir folder;
  PhantomOptions options = small_archive();
  write_phantom(options, folder / "three");
  options.patients = 1;
  write_phantom(options, folder / "one");
  EXPECT_EQ(digests(folder / "one" / "images" / "PULMO-0001"), digests(folder / "three" / "images" / "PULMO-0001"));
}

TEST(WritePhantom, CompletesAnInterruptedArchive) {
  const TempDir folder;
  PhantomOptions options = small_archive();
  options.patients = 2;
  write_phantom(options, folder / "out");
  const auto before = digests(folder / "out");
  fs::remove(folder / "out" / "truth.csv");
  fs::remove_all(folder / "out" / "images" / "PULMO-0002");
  for (const char* half : {"images/PULMO-0001/1/003.dcm", "annotations/002.xml", "truth.csv", "phantom.yaml"}) {
    write_file_atomically(folder / "out" / (std::string(half) + ".tmp-77-1"), "half");
  }
  write_phantom(options, folder / "out");
  EXPECT_EQ(digests(folder / "out"), before);
}

TEST(WritePhantom, RefusesAFolderWithOtherContent) {
  const TempDir folder;
  write_file_atomically(folder / "notes.txt", "mine");
  EXPECT_EQ(refusal(small_archive(), folder.path()), "output_not_empty");
  EXPECT_EQ(digests(folder.path()).size(), 1U);
}

TEST(WritePhantom, RefusesAnArchiveMadeWithOtherOptions) {
  const TempDir folder;
  PhantomOptions options = small_archive();
  options.patients = 1;
  write_phantom(options, folder / "out");
  const auto before = digests(folder / "out");
  options.seed = 99;
  EXPECT_EQ(refusal(options, folder / "out"), "output_not_empty");
  EXPECT_EQ(digests(folder / "out"), before);
}

TEST(WritePhantom, ReportsAnOutputThatCannotBeWritten) {
  const TempDir folder;
  write_file_atomically(folder / "file", "not a folder");
  EXPECT_THROW(write_phantom(small_archive(), folder / "file" / "out"), IoError);
}

TEST(WritePhantom, RefusesOptionsOutOfRange) {
  const TempDir folder;
  for (void (*spoil)(PhantomOptions&) :
       {+[](PhantomOptions& o) { o.patients = 0; }, +[](PhantomOptions& o) { o.patients = 10000; },
        +[](PhantomOptions& o) { o.matrix_px = 16; }, +[](PhantomOptions& o) { o.slices = 3; },
        +[](PhantomOptions& o) { o.threads = -1; }}) {
    PhantomOptions options = small_archive();
    spoil(options);
    EXPECT_EQ(refusal(options, folder / "out"), "configuration");
  }
  EXPECT_FALSE(fs::exists(folder / "out"));
}

TEST(WritePhantom, EndsWithSeventyFiveAfterASignalAndIsCompletedByTheSameCommand) {
  const TempDir folder;
  const auto command = [&](const char* name) {
    return std::vector<std::string>{(testing::bin_dir() / "pulmo-prepare").string(),
                                    "phantom",
                                    "--output",
                                    (folder / name).string(),
                                    "--patients",
                                    "40",
                                    "--matrix",
                                    "128",
                                    "--slices",
                                    "20"};
  };
  testing::Process process(command("out"));
  while (process.running() && !fs::exists(folder / "out" / "annotations" / "003.xml")) std::this_thread::yield();
  process.signal(SIGTERM);
  const testing::ProcessResult stopped = process.wait();
  EXPECT_EQ(stopped.exit_code, 75) << stopped.err;
  EXPECT_FALSE(fs::exists(folder / "out" / "truth.csv"));
  EXPECT_EQ(testing::run_process(command("out")).exit_code, 0);
  EXPECT_EQ(testing::run_process(command("whole")).exit_code, 0);
  EXPECT_EQ(digests(folder / "out"), digests(folder / "whole"));
}

TEST(WritePhantom, TellsItsProgress) {
  const TempDir folder;
  PhantomOptions options = small_archive();
  std::vector<int> told;
  options.progress = [&](int done, int total) {
    EXPECT_EQ(total, 3);
    told.push_back(done);
  };
  write_phantom(options, folder / "out");
  EXPECT_EQ(told, (std::vector<int>{1, 2, 3}));
}

/// The CT numbers before they were stored, for the second implementation to compare with.
void save_drawings(const PhantomOptions& options, const fs::path& folder) {
  fs::create_directories(folder);
  for (int index = 0; index < options.patients; ++index) {
    const phantom::Patient patient = phantom::make_patient(options.seed, index, options.matrix_px, options.slices);
    const phantom::ScanUids uids = phantom::uids_of(patient);
    const phantom::SliceRenderer renderer(patient);
    for (std::size_t slice = 0; slice < patient.scan.z_mm.size(); ++slice) {
      const cv::Mat hu = renderer.render(slice);
      std::ofstream file(folder / (uids.instances[slice] + ".f32"), std::ios::binary);
      file.write(reinterpret_cast<const char*>(hu.ptr()), static_cast<std::streamsize>(hu.total() * sizeof(float)));
    }
  }
}

TEST(WritePhantom, PydicomAndAnXmlParserReadWhatIsPromised) {
  const TempDir folder;
  PhantomOptions options = small_archive();
  options.patients = 8;  // every kind of finding, every scanner
  options.matrix_px = 256;
  options.slices = 22;
  write_phantom(options, folder / "out");
  save_drawings(options, folder / "drawings");
  const fs::path script = testing::source_dir() / "tests" / "golden" / "phantom_archive.py";
  const testing::ProcessResult result = testing::run_process(
      {testing::python().string(), script.string(), (folder / "out").string(), (folder / "drawings").string()});
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
}

TEST(WritePhantom, TheSecondReaderNoticesASpoiltArchive) {
  const TempDir folder;
  PhantomOptions options = small_archive();
  options.patients = 1;
  write_phantom(options, folder / "out");
  const fs::path xml = folder / "out" / "annotations" / "001.xml";
  std::ifstream file(xml);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  const std::size_t at = text.find("</readingSession>");
  ASSERT_NE(at, std::string::npos);
  write_file_atomically(xml, text.insert(at,
                                         "<nonNodule><nonNoduleID>1</nonNoduleID><imageZposition>0</imageZposition>"
                                         "<imageSOP_UID>1.2.3</imageSOP_UID><locus><xCoord>1</xCoord><yCoord>1"
                                         "</yCoord></locus></nonNodule>"));
  const fs::path script = testing::source_dir() / "tests" / "golden" / "phantom_archive.py";
  const testing::ProcessResult result =
      testing::run_process({testing::python().string(), script.string(), (folder / "out").string()});
  EXPECT_EQ(result.exit_code, 1);
}

}  // namespace
}  // namespace pulmo::pipeline
