// Folders of released format versions stay readable: tests/core/store/data/vN was written once by the library of that
// version and is never written again.
#include <gmock/gmock.h>

#include "core/store/manifest.h"
#include "tests/core/store/example_shard.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

using ::testing::ElementsAre;

std::filesystem::path folder_of_version(int version) {
  return testing::source_dir() / std::string("tests/core/store/data/v").append(std::to_string(version));
}

TEST(OldFormats, EveryVersionHasItsFolder) {
  for (int version = 1; version <= kShardFormatVersion; ++version)
    EXPECT_TRUE(std::filesystem::exists(folder_of_version(version) / "manifest.yaml")) << version;
}

TEST(OldFormats, AShardOfVersion1IsReadable) {
  const ShardReader shard(folder_of_version(1) / "train-00000.h5");
  ASSERT_EQ(shard.size(), 4);
  EXPECT_THAT(shard.info().class_names, ElementsAre("normal", "benign", "malignant"));
  EXPECT_EQ(shard.info().shape, (SampleShape{1, 0, 6, 5}));
  std::vector<std::uint16_t> image(30);
  for (int i = 0; i < 4; ++i) {
    const Sample expected = testing::example_sample(shard.info(), i);
    shard.read_image(i, image);
    EXPECT_EQ(image, expected.image);
    EXPECT_EQ(shard.read_lungs(i), expected.lungs);
    EXPECT_EQ(shard.read_nodules(i), expected.nodules);
    EXPECT_EQ(shard.patients()[static_cast<std::size_t>(i)], expected.patient);
    EXPECT_EQ(shard.instances()[static_cast<std::size_t>(i)], expected.instance);
  }
}

TEST(OldFormats, AFolderOfVersion1IsReadable) {
  const Manifest manifest = read_manifest(folder_of_version(1));
  EXPECT_EQ(manifest.seed, 7U);
  EXPECT_TRUE(manifest.phantom);
  EXPECT_EQ(manifest.positive_index(), 2);
  EXPECT_EQ(open_split(folder_of_version(1), manifest, Split::kTrain, true).size(), 1U);
  EXPECT_TRUE(open_split(folder_of_version(1), manifest, Split::kTest, true).empty());
}

}  // namespace
}  // namespace pulmo
