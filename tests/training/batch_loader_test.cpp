#include "training/batch_loader.h"

#include <gmock/gmock.h>

#include <fstream>

#include "core/support/error.h"
#include "tests/support/prepared_folder.h"
#include "tests/support/temp_dir.h"
#include "training/prepared_data.h"
#include "training/sampler.h"

namespace pulmo::training {
namespace {

class BatchLoaderTest : public ::testing::Test {
 protected:
  BatchLoaderTest() {
    pulmo::testing::make_prepared_folder(root_ / "data", {.size_px = 16, .patients = 12});
    data_.emplace(open_prepared(root_ / "data", false, Communicator::alone()));
  }

  const Dataset& train() const { return data_->train; }

  pulmo::testing::TempDir root_;
  std::optional<PreparedData> data_;
};

TEST_F(BatchLoaderTest, GivesTheBatchesInOrderWithTheirPixelsAndLabels) {
  ImageCache cache(train(), 0);
  BatchLoader loader(cache, train(), {{3, 0}, {}, {5}}, {});
  const auto first = loader.next();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->indices, (std::vector<std::int64_t>{3, 0}));
  EXPECT_EQ(first->labels, (std::vector<std::int64_t>{train().label(3), train().label(0)}));
  std::vector<std::uint16_t> image(256);
  train().read_image(0, image);
  for (std::size_t i = 0; i < image.size(); ++i) {
    ASSERT_EQ(first->pixels[256 + i], static_cast<float>(image[i]) / 65535.0F);
  }
  EXPECT_TRUE(loader.next()->indices.empty());
  EXPECT_EQ(loader.next()->indices.front(), 5);
  EXPECT_FALSE(loader.next().has_value());
  EXPECT_FALSE(loader.next().has_value());
}

TEST_F(BatchLoaderTest, SeedsDependOnTheSampleAndTheEpochButNotOnTheBatch) {
  ImageCache cache(train(), 1 << 20);
  const auto batch = [&](std::vector<std::int64_t> indices, std::int64_t epoch) {
    LoaderOptions options;
    options.seed = 7;
    options.epoch = epoch;
    options.augmentation = {.flips = true, .quarter_turns = true, .shift_px = 2};
    BatchLoader loader(cache, train(), {std::move(indices)}, options);
    return *loader.next();
  };
  const Batch together = batch({2, 9}, 1), alone = batch({9}, 1);
  EXPECT_EQ(together.dropout_seeds[1], alone.dropout_seeds[0]);
  EXPECT_NE(together.dropout_seeds[0], together.dropout_seeds[1]);
  EXPECT_EQ(std::vector<float>(together.pixels.begin() + 256, together.pixels.end()), alone.pixels);
  EXPECT_NE(batch({9}, 2).dropout_seeds[0], alone.dropout_seeds[0]);
}

TEST_F(BatchLoaderTest, CanBeLeftBeforeItsEnd) {
  ImageCache cache(train(), 0);
  BatchLoader loader(cache, train(), std::vector<std::vector<std::int64_t>>(100, {0, 1, 2}), {});
  EXPECT_TRUE(loader.next().has_value());
}

TEST_F(BatchLoaderTest, PassesOnWhatReadingThrew) {
  const auto shard = root_ / "data" / data_->manifest.split(Split::kTrain).shards.front().file;
  std::filesystem::resize_file(shard, std::filesystem::file_size(shard) / 2);
  ImageCache cache(train(), 0);
  std::vector<std::vector<std::int64_t>> shares;
  for (std::int64_t i = 0; i < train().size(); ++i) shares.push_back({i});
  BatchLoader loader(cache, train(), shares, {});
  EXPECT_THROW(while (loader.next()){}, std::exception);
}

TEST_F(BatchLoaderTest, CacheGivesWhatTheDiskHolds) {
  ImageCache none(train(), 0), some(train(), 3 * 512), all(train(), 1 << 20);
  for (int round = 0; round < 2; ++round) {
    for (std::int64_t i = 0; i < train().size(); ++i) {
      const auto expected = none.image(i);
      const std::vector<std::uint16_t> copy(expected.begin(), expected.end());
      EXPECT_TRUE(std::ranges::equal(some.image(i), copy));
      EXPECT_TRUE(std::ranges::equal(all.image(i), copy));
    }
  }
}

TEST_F(BatchLoaderTest, CacheWithinItsBudgetDoesNotReadAgain) {
  ImageCache cache(train(), 1 << 20);
  for (std::int64_t i = 0; i < train().size(); ++i) cache.image(i);
  for (const ManifestShard& shard : data_->manifest.split(Split::kTrain).shards) {
    std::filesystem::resize_file(root_ / "data" / shard.file, 100);
  }
  for (std::int64_t i = 0; i < train().size(); ++i) EXPECT_NO_THROW(cache.image(i));
}

TEST_F(BatchLoaderTest, DatasetNumbersTheSamplesThroughItsShards) {
  const Manifest& manifest = data_->manifest;
  ASSERT_GT(manifest.split(Split::kTrain).shards.size(), 1U);
  const std::int64_t in_first = manifest.split(Split::kTrain).shards.front().samples;
  EXPECT_EQ(train().place(0), "train-00000.h5 sample 0");
  EXPECT_EQ(train().place(in_first), "train-00001.h5 sample 0");
  const ShardReader second(root_ / "data" / manifest.split(Split::kTrain).shards[1].file);
  EXPECT_EQ(train().patient(in_first + 1), second.patients()[1]);
  EXPECT_EQ(train().group(in_first + 1), second.groups()[1]);
  EXPECT_EQ(train().instance(in_first + 1), second.instances()[1]);
  const auto counts = train().class_counts(2);
  EXPECT_EQ(counts[0] + counts[1], train().size());
}

}  // namespace
}  // namespace pulmo::training
