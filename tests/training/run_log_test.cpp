#include "training/run_log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/support/atomic_file.h"
#include "core/support/bytes.h"
#include "core/support/error.h"
#include "tests/support/temp_dir.h"

namespace pulmo::training {
namespace {

std::vector<nlohmann::json> lines_of(const std::filesystem::path& file) {
  std::istringstream text(read_text_file(file));
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

EpochRecord record(std::int64_t epoch) {
  EpochRecord one;
  one.epoch = epoch;
  one.train_loss = 0.5;
  one.validation_roc_auc = 0.75;
  return one;
}

TEST(RunLog, WritesOneObjectForEachEpoch) {
  const testing::TempDir folder;
  RunLog log(folder / "log.jsonl", 1);
  log.append(record(1));
  log.append(record(2));
  const auto lines = lines_of(folder / "log.jsonl");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1].at("epoch"), 2);
  EXPECT_EQ(lines[1].at("train").at("loss"), 0.5);
  EXPECT_EQ(lines[1].at("validation").at("roc_auc"), 0.75);
}

TEST(RunLog, TellsOfOutlinesWhereTheyAreLearnt) {
  const testing::TempDir folder;
  RunLog log(folder / "log.jsonl", 1);
  EpochRecord outlined = record(1);
  outlined.outlines = {1.5, 1.25, 0.375};
  log.append(outlined);
  log.append(record(2));
  const auto lines = lines_of(folder / "log.jsonl");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].at("train").at("outline_loss"), 1.5);
  EXPECT_EQ(lines[0].at("validation").at("outline_loss"), 1.25);
  EXPECT_EQ(lines[0].at("validation").at("dice"), 0.375);
  EXPECT_EQ(lines[1].dump().find("outline"), std::string::npos);
  EXPECT_EQ(lines[1].dump().find("dice"), std::string::npos);
}

TEST(RunLog, DropsTheEpochsThatAResumedRunDoesAgain) {
  const testing::TempDir folder;
  {
    RunLog log(folder / "log.jsonl", 1);
    for (std::int64_t epoch = 1; epoch <= 4; ++epoch) log.append(record(epoch));
  }
  RunLog resumed(folder / "log.jsonl", 3);
  resumed.append(record(3));
  const auto lines = lines_of(folder / "log.jsonl");
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[2].at("epoch"), 3);
}

TEST(RunLog, PassesOverATornLine) {
  const testing::TempDir folder;
  write_file_atomically(folder / "log.jsonl", "{\"epoch\":1}\n{\"epo");
  RunLog log(folder / "log.jsonl", 2);
  EXPECT_EQ(lines_of(folder / "log.jsonl").size(), 1U);
}

TEST(RunLog, RefusesAFolderThatIsNotThere) {
  EXPECT_THROW(RunLog("nowhere/at/all/log.jsonl", 1), IoError);
}

}  // namespace
}  // namespace pulmo::training
