#include "core/support/zip_archive.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <string_view>

#include "core/support/error.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

/// An archive that Python's zipfile wrote: `lines` are statements on the open ZipFile `z`.
Bytes python_zip(const std::string& lines) {
  const testing::TempDir directory;
  const std::filesystem::path path = directory / "a.zip";
  const std::string program =
      "import zipfile\nwith zipfile.ZipFile('" + path.string() + "', 'w', zipfile.ZIP_DEFLATED) as z:\n" + lines;
  const auto made = testing::run_process({testing::python(), "-c", program});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  return read_file(path);
}

std::string reason_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InvalidInput& error) {
    return error.reason();
  }
  return "none";
}

TEST(ZipArchive, ReadsAnArchiveInMemory) {
  const Bytes bytes =
      python_zip(" z.writestr('a/', '')\n z.writestr('a/one.txt', 'one' * 100)\n z.writestr('two', '')");
  ZipArchive archive(bytes, "upload");
  const std::vector<ZipEntry> entries = archive.entries();
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].name, "a/one.txt");
  EXPECT_EQ(entries[0].size_bytes, 300U);
  EXPECT_FALSE(entries[0].encrypted);
  EXPECT_EQ(as_text(archive.read(entries[0].index)).substr(0, 6), "oneone");
  EXPECT_EQ(as_text(archive.read(archive.find("a/one.txt"), 4)), "oneo");
  EXPECT_TRUE(archive.read(entries[1].index).empty());
  EXPECT_EQ(reason_of([&] { archive.find("three"); }), "corrupt_zip");
}

TEST(ZipArchive, RefusesTooManyEntriesBeforeItListsThem) {
  const Bytes bytes = python_zip(" for i in range(50): z.writestr(str(i), '')");
  EXPECT_NO_THROW(ZipArchive(bytes, "upload", {.max_entries = 50}));
  EXPECT_EQ(reason_of([&] { ZipArchive(bytes, "upload", {.max_entries = 49}); }), "zip_bomb");
}

TEST(ZipArchive, RefusesWhatIsNoArchive) {
  const Bytes whole = python_zip(" z.writestr('a', 'b' * 1000)");
  for (const ByteView bytes : {ByteView(), ByteView(whole).first(whole.size() / 2), ByteView(whole).subspan(1)}) {
    EXPECT_EQ(reason_of([&] { ZipArchive archive(bytes, "upload"); }), "corrupt_zip") << bytes.size();
  }
}

TEST(ZipArchive, RefusesAnEntryOverTheLimitsUnread) {
  const Bytes bytes = python_zip(" z.writestr('big', '0' * 2_000_000)");
  ZipArchive by_size(bytes, "upload", {.max_entry_bytes = 1'000'000});
  EXPECT_EQ(reason_of([&] { by_size.read(0); }), "zip_bomb");
  ZipArchive by_ratio(bytes, "upload", {.ratio_from_bytes = 1'000'000, .max_ratio = 50});
  EXPECT_EQ(reason_of([&] { by_ratio.read(0); }), "zip_bomb");
}

TEST(ZipArchive, RefusesDamagedEntries) {
  const std::string text = "''.join(chr(33 + i * i % 89) for i in range(50000))";
  const Bytes whole = python_zip(" z.writestr('a', " + text + ")");
  const std::string_view mark = "PK\1\2";
  const std::size_t directory = as_text(whole).rfind(mark);
  ASSERT_NE(directory, std::string_view::npos);
  EXPECT_EQ(ZipArchive(whole, "upload").read(0).size(), 50000U);
  const auto reason = [](const Bytes& bytes) { return reason_of([&] { ZipArchive(bytes, "upload").read(0); }); };
  Bytes damaged = whole;
  std::fill(damaged.begin() + 200, damaged.begin() + 260, std::byte{0xFF});
  EXPECT_EQ(reason(damaged), "corrupt_zip");
  Bytes checksum = whole;  // APPNOTE 4.3.12: CRC-32 at 16, sizes packed and unpacked at 20 and 24
  checksum[directory + 16] ^= std::byte{1};
  EXPECT_EQ(reason(checksum), "corrupt_zip");
  Bytes shorter = whole;
  shorter[directory + 24] ^= std::byte{0x50};  // 50,000 is 0xC350
  EXPECT_EQ(reason(shorter), "zip_bomb");
  Bytes longer = whole;
  longer[directory + 24] |= std::byte{0x0F};
  EXPECT_EQ(reason(longer), "corrupt_zip");
  Bytes packed = whole;
  packed[directory + 22] = std::byte{1};                           // 64 kB more than the archive has
  EXPECT_EQ(ZipArchive(packed, "upload").read(0).size(), 50000U);  // libzip finds the end of the stream
}

// Both headers say 1 GiB, packed in 20 MB, of an entry of a few bytes.
TEST(ZipArchive, SetsNoMemoryAsideForWhatIsOnlyDeclared) {
  Bytes bytes = python_zip(" z.writestr('a', ''.join(chr(33 + i * i % 89) for i in range(300)))");
  const std::size_t directory = as_text(bytes).rfind("PK\1\2");
  ASSERT_NE(directory, std::string_view::npos);
  for (const std::size_t at : {std::size_t{18}, directory + 20}) {  // sizes packed and unpacked, APPNOTE 4.3.7, 4.3.12
    for (unsigned i = 0; i < 4; ++i) {
      bytes[at + i] = static_cast<std::byte>(20'000'000U >> 8 * i & 0xFFU);
      bytes[at + 4 + i] = static_cast<std::byte>((1U << 30U) >> 8 * i & 0xFFU);
    }
  }
  struct rusage before {
  }, after{};
  ::getrusage(RUSAGE_SELF, &before);
  EXPECT_EQ(reason_of([&] { ZipArchive(bytes, "upload").read(0); }), "corrupt_zip");
  ::getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 100'000);  // KiB
}

TEST(StoredZip, IsIntactOnlyWithoutDamageAndExpansion) {
  const Bytes stored = python_zip(" z.writestr('a', 'hello', zipfile.ZIP_STORED)");
  EXPECT_TRUE(is_intact_stored_zip(stored));
  Bytes damaged = stored;
  damaged.at(31) ^= std::byte{1};  // the first byte of the content
  EXPECT_FALSE(is_intact_stored_zip(damaged));
  EXPECT_FALSE(is_intact_stored_zip(python_zip(" z.writestr('a', '0' * 5000)")));
  EXPECT_FALSE(is_intact_stored_zip(python_zip(" pass")));
}

}  // namespace
}  // namespace pulmo
