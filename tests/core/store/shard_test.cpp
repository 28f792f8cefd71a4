#include "core/store/shard.h"

#include <gmock/gmock.h>

#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "core/support/bytes.h"
#include "core/support/digest.h"
#include "core/support/error.h"
#include "tests/core/store/example_shard.h"
#include "tests/support/temp_dir.h"

namespace pulmo {
namespace {

using ::testing::ElementsAre;
using testing::example_info;
using testing::example_sample;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TempDir;
using ::testing::ThrowsMessage;
using testing::write_example_shard;

void expect_examples(const ShardReader& shard, int count) {
  ASSERT_EQ(shard.size(), count);
  std::vector<std::uint16_t> image(static_cast<std::size_t>(shard.info().shape.elements()));
  for (int i = count - 1; i >= 0; --i) {  // not in the order of writing
    const Sample expected = example_sample(shard.info(), i);
    const auto at = static_cast<std::size_t>(i);
    shard.read_image(i, image);
    EXPECT_EQ(image, expected.image) << i;
    EXPECT_EQ(shard.read_lungs(i), expected.lungs) << i;
    EXPECT_EQ(shard.read_nodules(i), expected.nodules) << i;
    EXPECT_EQ(shard.labels()[at], expected.label);
    EXPECT_EQ(shard.patients()[at], expected.patient);
    EXPECT_EQ(shard.series()[at], expected.series);
    EXPECT_EQ(shard.groups()[at], expected.group);
    EXPECT_EQ(shard.instances()[at], expected.instance);
    EXPECT_EQ(shard.positions_mm()[at], expected.position_mm);
  }
}

TEST(Shard, ReturnsWhatWasWritten) {
  const TempDir dir;
  write_example_shard(dir / "a.h5", example_info(), 7);
  const ShardReader shard(dir / "a.h5");
  EXPECT_EQ(shard.info().class_names, example_info().class_names);
  EXPECT_EQ(shard.info().spec_json, example_info().spec_json);
  EXPECT_EQ(shard.info().spec_sha256, example_info().spec_sha256);
  EXPECT_EQ(shard.info().task, "slice");
  EXPECT_EQ(shard.info().shape, example_info().shape);
  expect_examples(shard, 7);
}

TEST(Shard, KeepsMasks) {
  const TempDir dir;
  ShardInfo info = example_info();
  info.has_lungs = info.has_nodules = true;
  write_example_shard(dir / "a.h5", info, 3);
  const ShardReader shard(dir / "a.h5");
  EXPECT_TRUE(shard.info().has_lungs);
  EXPECT_TRUE(shard.info().has_nodules);
  expect_examples(shard, 3);
}

TEST(Shard, KeepsVolumesWithSeveralChannels) {
  const TempDir dir;
  ShardInfo info = example_info({2, 3, 4, 5});
  info.has_nodules = true;
  write_example_shard(dir / "a.h5", info, 4);
  const ShardReader shard(dir / "a.h5");
  EXPECT_EQ(shard.info().shape, (SampleShape{2, 3, 4, 5}));
  EXPECT_EQ(shard.read_nodules(0).size(), 3U * 4U * 5U);
  expect_examples(shard, 4);
}

TEST(Shard, DeflateChangesTheSizeOnly) {
  const TempDir dir;
  ShardInfo info = example_info({1, 0, 64, 64});
  Sample flat = example_sample(info, 0);
  std::fill(flat.image.begin(), flat.image.end(), std::uint16_t{1234});
  for (const int level : {0, 1}) {
    info.deflate_level = level;
    ShardWriter writer(dir / ("level" + std::to_string(level)), info);
    writer.append(flat);
    writer.finish();
  }
  std::vector<std::uint16_t> image(flat.image.size());
  ShardReader(dir / "level1").read_image(0, image);
  EXPECT_EQ(image, flat.image);
  EXPECT_LT(std::filesystem::file_size(dir / "level1") + 7000, std::filesystem::file_size(dir / "level0"));
}

TEST(Shard, KeepsSamplesLargerThanTheDefaultChunkCache) {
  const TempDir dir;
  const ShardInfo info = example_info({1, 90, 90, 90});  // 1.46 MB
  write_example_shard(dir / "a.h5", info, 2);
  expect_examples(ShardReader(dir / "a.h5"), 2);
}

TEST(Shard, MayBeEmpty) {
  const TempDir dir;
  write_example_shard(dir / "a.h5", example_info(), 0);
  EXPECT_EQ(ShardReader(dir / "a.h5").size(), 0);
}

TEST(Shard, SameSamplesGiveTheSameBytes) {
  const TempDir dir;
  write_example_shard(dir / "a.h5", example_info(), 5);
  write_example_shard(dir / "b.h5", example_info(), 5);
  EXPECT_EQ(sha256_file(dir / "a.h5"), sha256_file(dir / "b.h5"));
}

TEST(Shard, IsReadByManyThreadsAtOnce) {
  const TempDir dir;
  const ShardInfo info = example_info();
  write_example_shard(dir / "a.h5", info, 20);
  write_example_shard(dir / "b.h5", info, 20);
  const ShardReader shards[] = {ShardReader(dir / "a.h5"), ShardReader(dir / "b.h5")};
  std::atomic<int> wrong{0};
  const auto read_all = [&](unsigned first) {
    std::vector<std::uint16_t> image(static_cast<std::size_t>(info.shape.elements()));
    for (unsigned k = 0; k < 200; ++k) {
      const int index = static_cast<int>((first + 7 * k) % 20);
      shards[k % 2].read_image(index, image);
      if (image != example_sample(info, index).image) ++wrong;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < 4; ++t) threads.emplace_back(read_all, t);
  }
  EXPECT_EQ(wrong, 0);
}

TEST(Shard, RefusesAnIndexThatDoesNotExist) {
  const TempDir dir;
  write_example_shard(dir / "a.h5", example_info(), 2);
  const ShardReader shard(dir / "a.h5");
  std::vector<std::uint16_t> image(30);
  EXPECT_THROW(shard.read_image(2, image), std::out_of_range);
  EXPECT_THROW(shard.read_lungs(-1), std::out_of_range);
  image.resize(29);
  EXPECT_THROW(shard.read_image(0, image), std::invalid_argument);
}

TEST(ShardWriter, ShowsNoFileBeforeFinish) {
  const TempDir dir;
  ShardWriter writer(dir / "a.h5", example_info());
  writer.append(example_sample(example_info(), 0));
  EXPECT_FALSE(std::filesystem::exists(dir / "a.h5"));
  writer.finish();
  EXPECT_THAT(testing::names_in(dir.path()), ElementsAre("a.h5"));
}

TEST(ShardWriter, LeavesNothingWithoutFinish) {
  const TempDir dir;
  {
    ShardWriter writer(dir / "a.h5", example_info());
    writer.append(example_sample(example_info(), 0));
  }
  EXPECT_THAT(testing::names_in(dir.path()), IsEmpty());
}

TEST(ShardWriter, CountsItsSamples) {
  const TempDir dir;
  ShardWriter writer(dir / "a.h5", example_info());
  EXPECT_EQ(writer.size(), 0);
  for (int i = 0; i < 3; ++i) writer.append(example_sample(example_info(), i));
  EXPECT_EQ(writer.size(), 3);
}

TEST(ShardWriter, TakesUpNoMoreDiskThanItsContent) {
  const TempDir dir;
  write_example_shard(dir / "a.h5", example_info(), 2);
  struct stat status {};
  ASSERT_EQ(::stat((dir / "a.h5").c_str(), &status), 0);
  EXPECT_LT(status.st_blocks * 512, 1 << 20);  // what was claimed ahead is given back
}

TEST(ShardWriter, SaysWhichFolderCannotBeWritten) {
  EXPECT_THAT([] { ShardWriter("/proc/no-such-folder/a.h5", example_info()); },
              ThrowsMessage<IoError>(HasSubstr("/proc/no-such-folder")));
}

// Runs in a child process whose files may not grow beyond 200 kB, and ends it in order: HDF5 must survive that too.
TEST(ShardWriterDeathTest, AFullDiskIsAnErrorThatLeavesNoFile) {
  const TempDir dir;
  const auto fill = [&dir] {
    const rlimit limit{200'000, 200'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const ShardInfo info = example_info({1, 0, 100, 100});
    try {
      write_example_shard(dir / "a.h5", info, 50);
    } catch (const IoError& error) {
      const bool clean = testing::names_in(dir.path()).empty();
      write_example_shard(dir / "small.h5", info, 1);  // the library still works
      const bool works = ShardReader(dir / "small.h5").size() == 1;
      std::cerr << error.what() << (clean ? " clean" : " left over") << (works ? " works" : "") << std::endl;
      std::exit(7);
    }
    std::exit(0);
  };
  EXPECT_EXIT(fill(), ::testing::ExitedWithCode(7), "cannot write .*a.h5: File too large clean works");
}

TEST(ShardWriterDeathTest, AnUnfinishedShardAtTheEndOfTheProcessIsNoCrash) {
  const TempDir dir;
  const auto leave = [&dir] {
    static ShardWriter writer(dir / "a.h5", example_info());  // destroyed by exit()
    writer.append(example_sample(example_info(), 0));
    std::exit(3);
  };
  EXPECT_EXIT(leave(), ::testing::ExitedWithCode(3), "");
  EXPECT_THAT(testing::names_in(dir.path()), IsEmpty());
}

struct BadSample {
  const char* name;
  void (*spoil)(Sample&);
  const char* message;
};

class ShardWriterRefuses : public ::testing::TestWithParam<BadSample> {};

TEST_P(ShardWriterRefuses, ASampleThatDoesNotFit) {
  const TempDir dir;
  ShardInfo info = example_info();
  info.has_lungs = info.has_nodules = true;
  ShardWriter writer(dir / "a.h5", info);
  Sample sample = example_sample(info, 0);
  GetParam().spoil(sample);
  EXPECT_THAT([&] { writer.append(sample); }, ThrowsMessage<InvalidInput>(HasSubstr(GetParam().message)));
  EXPECT_EQ(writer.size(), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Samples, ShardWriterRefuses,
    ::testing::Values(
        BadSample{"ShortImage", [](Sample& s) { s.image.pop_back(); }, "the image holds 29 values instead of 30"},
        BadSample{"MissingLungs", [](Sample& s) { s.lungs.clear(); }, "the lung mask holds 0 values instead of 30"},
        BadSample{"LongNodules", [](Sample& s) { s.nodules.push_back(0); }, "the nodule mask holds 31 values"},
        BadSample{"LabelOutOfRange", [](Sample& s) { s.label = 3; }, "label 3 is not below the number of classes, 3"},
        BadSample{"NoPatient", [](Sample& s) { s.patient.clear(); }, "no patient"},
        BadSample{"PatientNotUtf8", [](Sample& s) { s.patient = "P\xe5tient"; }, "not UTF-8"},
        BadSample{"OverlongUtf8", [](Sample& s) { s.group = "\xc0\xaf"; }, "not UTF-8"},
        BadSample{"OverlongUtf8OfThree", [](Sample& s) { s.group = "\xe0\x80\xaf"; }, "not UTF-8"},
        BadSample{"Surrogate", [](Sample& s) { s.group = "\xed\xa0\x80"; }, "not UTF-8"},
        BadSample{"BeyondUnicode", [](Sample& s) { s.group = "\xf4\x90\x80\x80"; }, "not UTF-8"},
        BadSample{"TextWithZero", [](Sample& s) { s.instance = std::string("a\0b", 3); }, "not UTF-8"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ShardWriter, RefusesAnInfoThatMakesNoSense) {
  const TempDir dir;
  const auto refuses = [&dir](const ShardInfo& info, const char* message) {
    EXPECT_THAT([&] { ShardWriter(dir / "a.h5", info); }, ThrowsMessage<InvalidInput>(HasSubstr(message)));
  };
  refuses(example_info({1, 0, 0, 5}), "shape (1,0,5)");
  refuses(example_info({1, -1, 5, 5}), "shape (1,-1,5,5)");
  refuses(example_info({60000, 60000, 60000, 60000}), "shape");
  ShardInfo info = example_info();
  info.class_names = {"a", "a"};
  refuses(info, "class_names");
  info = example_info();
  info.spec_json += " ";
  refuses(info, "spec_sha256");
  info = example_info();
  info.deflate_level = 10;
  refuses(info, "deflate");
}

TEST(ShardReader, AMissingFileIsTheEnvironmentsFault) {
  const TempDir dir;
  EXPECT_THAT([&] { ShardReader(dir / "none.h5"); }, ThrowsMessage<IoError>(HasSubstr("No such file")));
  EXPECT_THROW(ShardReader(dir.path()), IoError);
}

}  // namespace
}  // namespace pulmo
