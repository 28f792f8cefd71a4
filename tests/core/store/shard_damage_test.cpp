// Damaged shards are refused with the file's name; nothing crashes.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "core/support/bytes.h"
#include "core/support/error.h"
#include "core/support/seed.h"
#include "tests/core/store/example_shard.h"
#include "tests/support/temp_dir.h"

namespace pulmo {
namespace {

using ::testing::AllOf;
using testing::example_info;
using testing::example_sample;
using ::testing::HasSubstr;
using testing::TempDir;
using ::testing::ThrowsMessage;

std::string bytes_of(const std::filesystem::path& file) {
  return read_text_file(file);
}

void write_bytes(const std::filesystem::path& file, const std::string& content) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
}

template <typename Value>
std::size_t find_values(const std::string& bytes, const std::vector<Value>& values) {
  return bytes.find(std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value)));
}

// Reads everything that a shard offers.
void read_fully(const std::filesystem::path& file) {
  const ShardReader shard(file);
  std::vector<std::uint16_t> image(static_cast<std::size_t>(shard.info().shape.elements()));
  for (std::int64_t i = 0; i < shard.size(); ++i) {
    shard.read_image(i, image);
    shard.read_lungs(i);
    shard.read_nodules(i);
  }
}

class ShardDamage : public ::testing::Test {
 protected:
  void SetUp() override {
    info_.has_lungs = info_.has_nodules = true;
    testing::write_example_shard(file_, info_, 4);
    content_ = bytes_of(file_);
  }

  TempDir dir_;
  std::filesystem::path file_ = dir_ / "damaged.h5";
  ShardInfo info_ = example_info();
  std::string content_;
};

TEST_F(ShardDamage, AFlippedBitInAnImageNamesFileAndSample) {
  const std::size_t at = find_values(content_, example_sample(info_, 2).image);
  ASSERT_NE(at, std::string::npos);
  content_[at + 17] = static_cast<char>(content_[at + 17] ^ 0x10);
  write_bytes(file_, content_);
  const ShardReader shard(file_);
  std::vector<std::uint16_t> image(30);
  EXPECT_NO_THROW(shard.read_image(1, image));
  EXPECT_THAT([&] { shard.read_image(2, image); },
              ThrowsMessage<InvalidInput>(AllOf(HasSubstr("damaged.h5"), HasSubstr("images, sample 2 of 4"))));
}

TEST_F(ShardDamage, AFlippedBitInAMaskNamesFileAndSample) {
  const std::size_t at = find_values(content_, example_sample(info_, 3).nodules);
  ASSERT_NE(at, std::string::npos);
  content_[at] = static_cast<char>(content_[at] ^ 1);
  write_bytes(file_, content_);
  // Samples whose masks are equal share no chunk, so exactly one of them is hit.
  const ShardReader shard(file_);
  int refused = 0;
  for (int i = 0; i < 4; ++i) {
    try {
      shard.read_nodules(i);
    } catch (const InvalidInput& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr("damaged.h5"), HasSubstr("nodules, sample ")));
      ++refused;
    }
  }
  EXPECT_EQ(refused, 1);
}

TEST_F(ShardDamage, TruncationIsRefusedAtEveryLength) {
  for (std::size_t length = 0; length < content_.size(); length += 1 + content_.size() / 97) {
    write_bytes(file_, content_.substr(0, length));
    EXPECT_THAT([&] { ShardReader{file_}; }, ThrowsMessage<InvalidInput>(HasSubstr("damaged.h5"))) << length;
  }
  write_bytes(file_, content_.substr(0, content_.size() - 1));
  EXPECT_THROW(ShardReader{file_}, InvalidInput);
}

TEST_F(ShardDamage, AnotherKindOfFileIsRefused) {
  write_bytes(file_, "format_version: 1\n");
  EXPECT_THAT([&] { ShardReader{file_}; }, ThrowsMessage<InvalidInput>(HasSubstr("damaged.h5")));
}

// Bits anywhere in the file: either an error of ours, or the same values (free space, or bits that say nothing).
TEST_F(ShardDamage, FlippedBitsNeverCrashNorChangePixelsUnnoticed) {
  Random random(derive_seed(1, "shard_damage"));
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    std::string bytes = content_;
    const auto at = static_cast<std::size_t>(random.below(bytes.size()));
    bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1U << random.below(8)));
    write_bytes(file_, bytes);
    try {
      const ShardReader shard(file_);
      ASSERT_EQ(shard.size(), 4) << at;
      std::vector<std::uint16_t> image(30);
      for (int i = 0; i < 4; ++i) {
        shard.read_image(i, image);
        ASSERT_EQ(image, example_sample(info_, i).image) << at;
        ASSERT_EQ(shard.labels()[static_cast<std::size_t>(i)], i % 3) << at;
      }
      read_fully(file_);
    } catch (const InvalidInput&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 50);
}

}  // namespace
}  // namespace pulmo
