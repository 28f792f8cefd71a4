#include "training/watch/event_file.h"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/support/bytes.h"
#include "core/support/error.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"
#include "training/watch/crc32c.h"

namespace pulmo::training {
namespace {

using ::testing::StartsWith;
using Json = nlohmann::json;

pulmo::testing::ProcessResult read_events(const std::filesystem::path& file) {
  return pulmo::testing::run_process(
      {pulmo::testing::python(), pulmo::testing::source_dir() / "tests/golden/event_file_reader.py", file});
}

std::vector<Json> events_of(const std::filesystem::path& file) {
  const auto reader = read_events(file);
  EXPECT_EQ(reader.exit_code, 0) << reader.err;
  std::istringstream lines(reader.out);
  std::vector<Json> events;
  for (std::string line; std::getline(lines, line);) events.push_back(Json::parse(line));
  return events;
}

TEST(Crc32c, GivesTheVectorsOfRfc3720) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  EXPECT_EQ(crc32c(""), 0U);
}

TEST(EventFile, AnIndependentReaderGetsWhatWasWritten) {
  const pulmo::testing::TempDir folder;
  EventFile file(folder / "tensorboard", 0);
  file.add(300, {{"train/loss", 0.625}, {"validation/roc_auc", 0.1}});
  file.add(1'000'000'000'000, {{"train/loss", -2.5e-20}});
  const auto events = events_of(file.path());
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(events[0].at("file_version"), "brain.Event:2");
  EXPECT_EQ(events[2].at("step"), 300);
  EXPECT_EQ(events[2].at("values").at("train/loss"), 0.625);
  EXPECT_FLOAT_EQ(events[2].at("values").at("validation/roc_auc").get<float>(), 0.1F);
  EXPECT_EQ(events[3].at("step"), 1'000'000'000'000);
  EXPECT_NEAR(events[3].at("wall_time").get<double>(), static_cast<double>(std::time(nullptr)), 60.0);
}

TEST(EventFile, TellsFromWhichStepARunGoesOn) {
  const pulmo::testing::TempDir folder;
  const EventFile file(folder / "tensorboard", 120);
  const auto events = events_of(file.path());
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[1].at("session_status"), 1);  // START
  EXPECT_EQ(events[1].at("step"), 121);
}

TEST(EventFile, EachFileHasANameOfItsOwn) {
  const pulmo::testing::TempDir folder;
  const EventFile first(folder / "tensorboard", 0), second(folder / "tensorboard", 5);
  EXPECT_NE(first.path(), second.path());
  EXPECT_THAT(first.path().filename().string(), StartsWith("events.out.tfevents."));
}

TEST(EventFile, TheReaderNoticesOneChangedBit) {
  const pulmo::testing::TempDir folder;
  EventFile file(folder / "tensorboard", 0);
  file.add(1, {{"train/loss", 0.5}});
  std::string bytes = read_text_file(file.path());
  bytes[bytes.size() - 10] = static_cast<char>(bytes[bytes.size() - 10] ^ 4);
  std::ofstream(file.path(), std::ios::binary) << bytes;
  EXPECT_EQ(read_events(file.path()).exit_code, 1);
}

TEST(EventFile, RefusesAFolderThatCannotBe) {
  const pulmo::testing::TempDir folder;
  std::ofstream(folder / "file") << "x";
  EXPECT_THROW(EventFile(folder / "file" / "tensorboard", 0), IoError);
}

}  // namespace
}  // namespace pulmo::training
