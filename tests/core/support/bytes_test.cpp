#include "core/support/bytes.h"

#include <gmock/gmock.h>

#include <fstream>

#include "core/support/error.h"
#include "tests/support/temp_dir.h"

namespace pulmo {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TempDir;
using ::testing::ThrowsMessage;

TEST(Bytes, AFileIsReadWhole) {
  const TempDir dir;
  const std::string content("a\0b\r\n\xff", 6);
  std::ofstream(dir / "a.bin", std::ios::binary) << content;
  EXPECT_EQ(read_text_file(dir / "a.bin"), content);
  EXPECT_EQ(as_text(read_file(dir / "a.bin")), content);
}

TEST(Bytes, AnEmptyFileIsReadAsNothing) {
  const TempDir dir;
  std::ofstream(dir / "empty").flush();
  EXPECT_TRUE(read_file(dir / "empty").empty());
}

TEST(Bytes, AFileOverTheLimitIsRefusedWithBothNumbers) {
  const TempDir dir;
  std::ofstream(dir / "a.txt") << "12345";
  EXPECT_EQ(read_text_file(dir / "a.txt", 5), "12345");
  EXPECT_THAT([&] { read_file(dir / "a.txt", 4); },
              ThrowsMessage<InvalidInput>(AllOf(HasSubstr("a.txt has 5 bytes"), HasSubstr("at most 4"))));
}

TEST(Bytes, AMissingFileAndAFolderAreTheEnvironmentsFault) {
  const TempDir dir;
  EXPECT_THAT([&] { read_file(dir / "none"); }, ThrowsMessage<IoError>(HasSubstr("none")));
  EXPECT_THROW(read_file(dir.path()), IoError);
}

TEST(Bytes, TextAndBytesAreTwoViewsOfTheSame) {
  const std::string text = "\x01z";
  EXPECT_EQ(as_bytes(text)[0], std::byte{1});
  EXPECT_EQ(as_text(as_bytes(text)).data(), text.data());
}

}  // namespace
}  // namespace pulmo
