#include "pipeline/input/byte_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/support/error.h"
#include "tests/pipeline/support/lidc_files.h"
#include "tests/support/temp_dir.h"

namespace pulmo::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::TempDir;
using testing::write_text;
using testing::write_zip;

std::vector<std::string> names_of(const ByteSource& source, const std::filesystem::path& root) {
  std::vector<std::string> names;
  for (const SourceEntry& entry : source.entries()) names.push_back(entry.name.substr(root.string().size() + 1));
  return names;
}

std::string reason_of(ByteReader& reader, const SourceEntry& entry) {
  try {
    reader.read(entry);
  } catch (const InvalidInput& error) {
    return error.reason();
  }
  return "none";
}

/// Overwrites `count` bytes at `offset` from the first occurrence of `mark`.
void patch(const std::filesystem::path& path, const std::string& mark, std::size_t offset, const std::string& bytes) {
  std::string content = read_text_file(path);
  const auto at = content.find(mark);
  ASSERT_NE(at, std::string::npos);
  content.replace(at + offset, bytes.size(), bytes);
  write_text(path, content);
}

TEST(ByteSource, ListsFoldersAndZipsInAnyNestingSorted) {
  const TempDir dir;
  write_text(dir / "b/deep/er/2.dcm", "two");
  write_text(dir / "b/1.dcm", "one");
  write_zip(dir / "a/x.zip", {{"z/3.dcm", "three"}, {"y/4.dcm", "four"}});
  const ByteSource source({dir.path()});
  EXPECT_THAT(names_of(source, dir.path()),
              ElementsAre("a/x.zip!y/4.dcm", "a/x.zip!z/3.dcm", "b/1.dcm", "b/deep/er/2.dcm"));
  EXPECT_THAT(source.refused(), IsEmpty());
}

TEST(ByteSource, ReadsFilesAndZipEntriesInPlace) {
  const TempDir dir;
  write_text(dir / "1.dcm", "one");
  write_zip(dir / "x.zip", {{"3.dcm", "three"}});
  const ByteSource source({dir.path()});
  ByteReader reader(source);
  EXPECT_EQ(as_text(reader.read(source.entries()[0])), "one");
  EXPECT_EQ(as_text(reader.read(source.entries()[1])), "three");
  EXPECT_EQ(as_text(reader.read(source.entries()[1], 2)), "th");
  EXPECT_EQ(source.find((dir / "x.zip").string() + "!3.dcm"), &source.entries()[1]);
  EXPECT_EQ(source.find("nothing"), nullptr);
}

TEST(ByteSource, KeepsReadingFromMoreZipsThanItHoldsOpen) {
  const TempDir dir;
  for (int i = 0; i < 9; ++i) write_zip(dir / (std::to_string(i) + ".zip"), {{"e", "zip " + std::to_string(i)}});
  const ByteSource source({dir.path()});
  ByteReader reader(source);
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < 9; ++i) {
      EXPECT_EQ(as_text(reader.read(source.entries()[i])), "zip " + std::to_string(i));
    }
  }
}

TEST(ByteSource, RefusesAZipInsideAZipByName) {
  const TempDir dir;
  write_zip(dir / "inner.zip", {{"1", "x"}});
  write_zip(dir / "outer/o.zip", {{"sub/Inner.ZIP", read_text_file(dir / "inner.zip")}, {"ok.txt", "y"}});
  const ByteSource source({dir / "outer"});
  EXPECT_THAT(names_of(source, dir / "outer"), ElementsAre("o.zip!ok.txt"));
  ASSERT_EQ(source.refused().size(), 1U);
  EXPECT_EQ(source.refused()[0].reason, "nested_zip");
}

TEST(ByteSource, CountsAZipThatIsNone) {
  const TempDir dir;
  write_text(dir / "bad.zip", "this is no zip archive at all");
  write_text(dir / "good.txt", "x");
  const ByteSource source({dir.path()});
  EXPECT_EQ(source.entries().size(), 1U);
  ASSERT_EQ(source.refused().size(), 1U);
  EXPECT_EQ(source.refused()[0].reason, "corrupt_zip");
}

TEST(ByteSource, RefusesAnInputThatDoesNotExist) {
  try {
    const ByteSource source({"/nonexistent/input"});
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "no_input");
  }
}

TEST(ByteSource, FollowsLinksButNotInCircles) {
  const TempDir dir;
  write_text(dir / "data/1.txt", "x");
  std::filesystem::create_directory_symlink(dir / "data", dir / "data/again");
  std::filesystem::create_directory(dir / "in");
  std::filesystem::create_directory_symlink(dir / "data", dir / "in/link");
  std::filesystem::create_symlink(dir / "gone", dir / "in/broken");
  const ByteSource source({dir / "in"});
  EXPECT_THAT(names_of(source, dir / "in"), ElementsAre("link/1.txt"));
  ASSERT_EQ(source.refused().size(), 1U);
  EXPECT_EQ(source.refused()[0].reason, "unreadable");
}

TEST(ByteSource, ListsAPathThatIsGivenTwiceOnce) {
  const TempDir dir;
  write_text(dir / "1.txt", "x");
  EXPECT_EQ(ByteSource({dir / "1.txt", dir / "1.txt"}).entries().size(), 1U);
}

TEST(ZipArchive, RefusesAnEntryThatDoesNotMatchItsChecksum) {
  const TempDir dir;
  const std::string noise = "0a1B2c3D4e5F6g7H8i9J";  // short enough to be stored as it is
  write_zip(dir / "x.zip", {{"e", noise}});
  patch(dir / "x.zip", noise, 4, "#");
  const ByteSource source({dir.path()});
  ByteReader reader(source);
  EXPECT_EQ(reason_of(reader, source.entries()[0]), "corrupt_zip");
}

TEST(ZipArchive, RefusesATruncatedArchive) {
  const TempDir dir;
  write_zip(dir / "x.zip", {{"e", std::string(5000, 'a')}});
  const std::string whole = read_text_file(dir / "x.zip");
  write_text(dir / "x.zip", std::string_view(whole).substr(0, whole.size() - 30));
  const ByteSource source({dir.path()});
  ASSERT_EQ(source.refused().size(), 1U);
  EXPECT_EQ(source.refused()[0].reason, "corrupt_zip");
}

TEST(ZipArchive, RefusesABombByItsDeclaredRatio) {
  const TempDir dir;
  write_zip(dir / "x.zip", {{"bomb", std::string(20 << 20, '\0')}});
  const ByteSource source({dir.path()});
  ByteReader reader(source);
  EXPECT_EQ(reason_of(reader, source.entries()[0]), "zip_bomb");
}

TEST(ZipArchive, RefusesABombThatLiesAboutItsSize) {
  const TempDir dir;
  write_zip(dir / "x.zip", {{"bomb", std::string(100000, 'a')}});
  std::string content = read_text_file(dir / "x.zip");
  const auto central = content.find("PK\x01\x02");
  ASSERT_NE(central, std::string::npos);
  content.replace(central + 24, 4, std::string("\x10\x00\x00\x00", 4));  // uncompressed size: 16 (APPNOTE 4.3.12)
  content.replace(22, 4, std::string("\x10\x00\x00\x00", 4));            // and in the local header (4.3.7)
  write_text(dir / "x.zip", content);
  const ByteSource source({dir.path()});
  ASSERT_EQ(source.entries().size(), 1U);
  EXPECT_EQ(source.entries()[0].size_bytes, 16U);
  ByteReader reader(source);
  const std::string reason = reason_of(reader, source.entries()[0]);
  EXPECT_TRUE(reason == "zip_bomb" || reason == "corrupt_zip") << reason;
}

TEST(ZipArchive, RefusesAnEntryAboveTheSizeLimit) {
  const TempDir dir;
  write_zip(dir / "x.zip", {{"big", std::string(2000, 'a')}});
  write_text(dir / "big.dcm", std::string(2000, 'a'));
  ZipLimits limits;
  limits.max_entry_bytes = 1000;
  const ByteSource source({dir.path()}, limits);
  ByteReader reader(source);
  EXPECT_EQ(reason_of(reader, source.entries()[0]), "too_large");
  EXPECT_EQ(reason_of(reader, source.entries()[1]), "zip_bomb");
}

TEST(ZipArchive, RefusesMoreEntriesThanTheLimit) {
  const TempDir dir;
  write_zip(dir / "x.zip", {{"1", "a"}, {"2", "b"}, {"3", "c"}});
  ZipLimits limits;
  limits.max_entries = 2;
  const ByteSource source({dir.path()}, limits);
  ASSERT_EQ(source.refused().size(), 1U);
  EXPECT_EQ(source.refused()[0].reason, "zip_bomb");
}

}  // namespace
}  // namespace pulmo::pipeline
