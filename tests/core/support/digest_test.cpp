#include "core/support/digest.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/support/error.h"
#include "tests/support/temp_dir.h"

namespace pulmo {
namespace {

struct Vector {
  std::string message;
  const char* digest;
};

// NIST, "Examples with Intermediate Values" for FIPS 180-4 and the CAVP byte-oriented short messages.
const Vector kVectors[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
     "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    {std::string(1'000'000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    {"\xd3", "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1"},
};

TEST(Sha256, AgreesWithTheNistVectors) {
  for (const Vector& vector : kVectors) EXPECT_EQ(sha256_hex(std::string_view(vector.message)), vector.digest);
}

TEST(Sha256, DoesNotDependOnHowTheMessageIsCut) {
  for (std::size_t cut = 1; cut < 200; cut += 13) {
    Sha256 digest;
    const std::string& message = kVectors[3].message;
    for (std::size_t at = 0; at < message.size(); at += cut) digest.update(as_bytes(message.substr(at, cut)));
    EXPECT_EQ(digest.hex(), kVectors[3].digest) << cut;
  }
}

TEST(Sha256, OfAFileIsThatOfItsContent) {
  const testing::TempDir dir;
  for (const Vector& vector : kVectors) {
    std::ofstream(dir / "message", std::ios::binary) << vector.message;
    EXPECT_EQ(sha256_file(dir / "message"), vector.digest);
  }
  EXPECT_THROW(sha256_file(dir / "none"), IoError);
}

TEST(Sha256, OfAFileLargerThanTheBufferIsThatOfItsContent) {
  const testing::TempDir dir;
  std::string content(3'000'001, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i % 251);
  std::ofstream(dir / "large", std::ios::binary) << content;
  EXPECT_EQ(sha256_file(dir / "large"), sha256_hex(std::string_view(content)));
}

TEST(Sha256, OfAFolderIsAnError) {
  const testing::TempDir dir;
  EXPECT_THROW(sha256_file(dir.path()), IoError);
}

}  // namespace
}  // namespace pulmo
