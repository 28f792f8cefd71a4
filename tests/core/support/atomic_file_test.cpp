#include "core/support/atomic_file.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "core/support/bytes.h"
#include "core/support/error.h"
#include "tests/support/temp_dir.h"

namespace pulmo {
namespace {

using ::testing::HasSubstr;
using testing::TempDir;
using ::testing::ThrowsMessage;

std::size_t entries_in(const TempDir& dir) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(dir.path()), std::filesystem::directory_iterator()));
}

TEST(AtomicFile, AppearsUnderItsNameOnCommit) {
  const TempDir dir;
  AtomicFile file(dir / "a.txt");
  std::ofstream(file.temp_path()) << "content";
  EXPECT_FALSE(std::filesystem::exists(dir / "a.txt"));
  file.commit();
  EXPECT_EQ(read_text_file(dir / "a.txt"), "content");
  EXPECT_EQ(entries_in(dir), 1U);
}

TEST(AtomicFile, PassesOverWhatAProcessOfTheSameNumberLeft) {
  const TempDir dir;
  const std::string first = AtomicFile(dir / "a.txt").temp_path();
  const auto dash = first.rfind('-');
  for (int ahead = 1; ahead <= 2; ++ahead) {
    std::ofstream(first.substr(0, dash + 1) + std::to_string(std::stoi(first.substr(dash + 1)) + ahead)) << "left";
  }
  AtomicFile file(dir / "a.txt");
  std::ofstream(file.temp_path()) << "content";
  file.commit();
  EXPECT_EQ(read_text_file(dir / "a.txt"), "content");
  EXPECT_EQ(entries_in(dir), 3U);
}

TEST(AtomicFile, LeavesNothingWithoutCommit) {
  const TempDir dir;
  {
    const AtomicFile file(dir / "a.txt");
    std::ofstream(file.temp_path()) << "content";
  }
  EXPECT_EQ(entries_in(dir), 0U);
}

TEST(AtomicFile, KeepsTheOldContentUntilCommit) {
  const TempDir dir;
  write_file_atomically(dir / "a.txt", "old");
  {
    const AtomicFile file(dir / "a.txt");
    std::ofstream(file.temp_path()) << "new";
    EXPECT_EQ(read_text_file(dir / "a.txt"), "old");
  }
  EXPECT_EQ(read_text_file(dir / "a.txt"), "old");
  write_file_atomically(dir / "a.txt", "new");
  EXPECT_EQ(read_text_file(dir / "a.txt"), "new");
  EXPECT_EQ(entries_in(dir), 1U);
}

TEST(AtomicFile, TwoWritersOfOneNameDoNotDisturbEachOther) {
  const TempDir dir;
  AtomicFile first(dir / "a.txt");
  AtomicFile second(dir / "a.txt");
  EXPECT_NE(first.temp_path(), second.temp_path());
  std::ofstream(first.temp_path()) << "first";
  std::ofstream(second.temp_path()) << "second";
  second.commit();
  first.commit();
  EXPECT_EQ(read_text_file(dir / "a.txt"), "first");
}

TEST(AtomicFile, NamesTheFolderThatCannotBeWritten) {
  EXPECT_THAT([] { AtomicFile("/proc/nowhere/a.txt"); }, ThrowsMessage<IoError>(HasSubstr("/proc/nowhere")));
}

TEST(AtomicFile, AFailedCommitLeavesNoTemporaryFile) {
  const TempDir dir;
  std::filesystem::create_directory(dir / "a.txt");  // a folder cannot be replaced by a file
  EXPECT_THROW(write_file_atomically(dir / "a.txt", "content"), IoError);
  EXPECT_EQ(entries_in(dir), 1U);
}

TEST(AtomicFile, KeepsBytesAsTheyAre) {
  const TempDir dir;
  const std::string content("\0\r\n\xff\x1a", 5);
  write_file_atomically(dir / "a.bin", content);
  EXPECT_EQ(read_text_file(dir / "a.bin"), content);
}

TEST(AtomicFileDeathTest, AFullDiskLeavesTheOldFile) {
  const TempDir dir;
  write_file_atomically(dir / "a.txt", "old");
  const auto fill = [&dir] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      write_file_atomically(dir / "a.txt", std::string(100'000, 'x'));
    } catch (const IoError& error) {
      std::cerr << error.what() << " " << read_text_file(dir / "a.txt") << " " << entries_in(dir) << std::endl;
      std::exit(7);
    }
    std::exit(0);
  };
  EXPECT_EXIT(fill(), ::testing::ExitedWithCode(7), "cannot write .*a.txt: File too large old 1");
}

TEST(MakeWritableDirectory, CreatesParentsAndLeavesNoProbe) {
  const TempDir dir;
  make_writable_directory(dir / "x/y/z");
  EXPECT_TRUE(std::filesystem::is_empty(dir / "x/y/z"));
  EXPECT_NO_THROW(make_writable_directory(dir / "x/y/z"));
}

TEST(MakeWritableDirectory, ClearsTheProbeOfAKilledProcess) {
  const TempDir dir;
  write_file_atomically(dir / ".pulmo-probe.tmp-31004-0", "");
  write_file_atomically(dir / "other", "");
  make_writable_directory(dir.path());
  EXPECT_FALSE(std::filesystem::exists(dir / ".pulmo-probe.tmp-31004-0"));
  EXPECT_TRUE(std::filesystem::exists(dir / "other"));
}

TEST(MakeWritableDirectory, RefusesAFileInTheWay) {
  const TempDir dir;
  write_file_atomically(dir / "x", "");
  EXPECT_THROW(make_writable_directory(dir / "x"), IoError);
  EXPECT_THROW(make_writable_directory(dir / "x/y"), IoError);
}

}  // namespace
}  // namespace pulmo
