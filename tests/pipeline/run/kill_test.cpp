// The program killed in the middle of its work, on a small phantom archive.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <map>
#include <thread>

#include "core/support/digest.h"
#include "core/support/seed.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo::pipeline {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int kKills = 20;
constexpr int kMostAttempts = 80;
constexpr int kParts = 4;

std::string program() {
  return (testing::bin_dir() / "pulmo-prepare").string();
}

void expect_done(const std::vector<std::string>& argv) {
  const auto result = testing::run_process(argv);
  ASSERT_EQ(result.exit_code, 0) << result.err;
}

/// SHA-256 of every file below a folder, state folders of unfinished runs included.
std::map<std::string, std::string> digests_of(const fs::path& folder) {
  std::map<std::string, std::string> digests;
  for (const auto& item : fs::recursive_directory_iterator(folder)) {
    if (item.is_regular_file()) digests[fs::relative(item.path(), folder).string()] = sha256_file(item.path());
  }
  return digests;
}

bool has_shard(const fs::path& folder) {
  if (!fs::exists(folder)) return false;
  return std::any_of(fs::directory_iterator(folder), fs::directory_iterator(),
                     [](const auto& item) { return item.path().extension() == ".h5"; });
}

class KilledPrepare : public ::testing::Test {
 protected:
  KilledPrepare() {
    expect_done({program(), "phantom", "--output", (dir_ / "archive").string(), "--patients", "8", "--matrix", "128",
                 "--slices", "14", "--seed", "7"});
    const auto start = Clock::now();
    expect_done(lidc("straight"));
    seconds_ = std::chrono::duration<double>(Clock::now() - start).count();
    expected_ = digests_of(dir_ / "straight");
  }

  std::vector<std::string> lidc(const std::string& output, const std::string& part = "") const {
    std::vector<std::string> argv{program(),       "lidc",
                                  "--input",       (dir_ / "archive/images").string(),
                                  "--annotations", (dir_ / "archive/annotations").string(),
                                  "--output",      (dir_ / output).string(),
                                  "--threads",     "1",
                                  "--set",         "store.shard_samples=4",
                                  "--set",         "split.validation_fraction=0.25",
                                  "--set",         "preprocess.size_px=96"};
    if (!part.empty()) argv.insert(argv.end(), {"--part", part});
    return argv;
  }

  /// Runs `argv` and kills it at a random moment, no earlier than `ready`. True: it had not ended before.
  bool killed(
      const std::vector<std::string>& argv, const std::function<bool()>& ready = [] { return true; }) {
    testing::Process process(argv);
    const auto latest = Clock::now() + std::chrono::seconds(30);
    const double share = random_.uniform(0.0, 1.0);
    if (ready()) {
      std::this_thread::sleep_for(std::chrono::duration<double>(share * seconds_));
    } else {
      while (!ready() && Clock::now() < latest) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    process.signal(SIGKILL);
    const int code = process.wait().exit_code;
    EXPECT_TRUE(code == 0 || code == 128 + SIGKILL) << code;
    if (code == 0) seconds_ *= 0.9;  // the machine is less busy than it was
    return code != 0;
  }

  testing::TempDir dir_;
  std::map<std::string, std::string> expected_;
  double seconds_ = 0.0;  ///< that an undisturbed run takes
  Random random_{derive_seed(20, "kill")};
};

TEST_F(KilledPrepare, ContinuesAndEndsWithTheSameFilesTwentyTimes) {
  int kills = 0;
  int resumed = 0;
  for (int attempt = 0; attempt < kMostAttempts && kills < kKills; ++attempt) {
    const std::string output = "killed-" + std::to_string(attempt);
    // Every other kill waits for a shard: a run on a busy machine spends most of its time before the first one.
    const bool wait = kills % 2 == 1;
    if (!killed(lidc(output), [&] { return !wait || has_shard(dir_ / output); })) continue;
    ++kills;
    resumed += has_shard(dir_ / output) && !fs::exists(dir_ / output / "manifest.yaml") ? 1 : 0;
    expect_done(lidc(output));
    EXPECT_EQ(digests_of(dir_ / output), expected_) << "attempt " << attempt;
  }
  EXPECT_EQ(kills, kKills);
  EXPECT_GE(resumed, 3) << "no kill fell between two shards";
}

TEST_F(KilledPrepare, GivesTheSameFilesInFourPartsThatWereKilled) {
  int kills = 0;
  for (int attempt = 0; attempt < 2; ++attempt) {
    for (int part = 1; part <= kParts; ++part) {
      kills += killed(lidc("parts", std::to_string(part) + "/" + std::to_string(kParts))) ? 1 : 0;
    }
  }
  EXPECT_GE(kills, 1);
  for (const int part : {3, 1, 4, 2}) expect_done(lidc("parts", std::to_string(part) + "/" + std::to_string(kParts)));
  expect_done({program(), "merge", (dir_ / "parts").string()});
  EXPECT_EQ(digests_of(dir_ / "parts"), expected_);
}

}  // namespace
}  // namespace pulmo::pipeline
