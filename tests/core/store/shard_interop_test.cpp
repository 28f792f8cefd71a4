// Shards between our library and h5py, which knows only what docs/formats.md says.
#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "core/support/bytes.h"
#include "core/support/digest.h"
#include "core/support/error.h"
#include "core/support/version.h"
#include "tests/core/store/example_shard.h"
#include "tests/support/prepared_folder.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

using nlohmann::json;
using testing::example_info;
using testing::example_sample;
using ::testing::HasSubstr;
using testing::TempDir;
using ::testing::ThrowsMessage;

json read_by_h5py(const std::filesystem::path& file) {
  return json::parse(testing::run_golden("shard_reader.py", {file.string()}));
}

template <typename Value>
std::string digest_of(const std::vector<Value>& values) {
  return sha256_hex(std::as_bytes(std::span(values)));
}

void expect_samples(const json& found, const ShardInfo& info, int count) {
  const json& columns = found["columns"];
  for (int i = 0; i < count; ++i) {
    const Sample sample = example_sample(info, i);
    const auto at = static_cast<std::size_t>(i);
    EXPECT_EQ(found["digests"]["images"][at], digest_of(sample.image));
    EXPECT_EQ(found["digests"]["lungs"][at], digest_of(sample.lungs));
    EXPECT_EQ(found["digests"]["nodules"][at], digest_of(sample.nodules));
    EXPECT_EQ(columns["labels"][at], sample.label);
    EXPECT_EQ(columns["patients"][at], sample.patient);
    EXPECT_EQ(columns["series"][at], sample.series);
    EXPECT_EQ(columns["groups"][at], sample.group);
    EXPECT_EQ(columns["instances"][at], sample.instance);
    EXPECT_EQ(columns["position_mm"][at], sample.position_mm);
  }
}

TEST(ShardInterop, H5pyReadsOurSlices) {
  const TempDir dir;
  ShardInfo info = example_info();
  info.has_lungs = info.has_nodules = true;
  info.deflate_level = 1;
  testing::write_example_shard(dir / "a.h5", info, 5);
  const json found = read_by_h5py(dir / "a.h5");
  expect_samples(found, info, 5);
  const json expected_images = {{"shape", {5, 1, 6, 5}}, {"dtype", "<u2"},        {"chunks", {1, 1, 6, 5}},
                                {"fletcher32", true},    {"compression", "gzip"}, {"shuffle", true}};
  EXPECT_EQ(found["datasets"]["images"], expected_images);
  EXPECT_EQ(found["datasets"]["nodules"]["shape"], json({5, 6, 5}));
  EXPECT_EQ(found["datasets"]["labels"]["dtype"], "|u1");
  EXPECT_EQ(found["datasets"]["labels"]["fletcher32"], true);
  EXPECT_EQ(found["datasets"]["position_mm"]["dtype"], "<f8");
}

TEST(ShardInterop, H5pyReadsOurAttributes) {
  const TempDir dir;
  const ShardInfo info = example_info();
  testing::write_example_shard(dir / "a.h5", info, 1);
  const json expected = {{"format_version", 1},    {"class_names", info.class_names},
                         {"spec", info.spec_json}, {"spec_sha256", info.spec_sha256},
                         {"task", info.task},      {"pulmo_version", std::string(version())}};
  EXPECT_EQ(read_by_h5py(dir / "a.h5")["attributes"], expected);
}

TEST(ShardInterop, H5pyReadsOurVolumes) {
  const TempDir dir;
  ShardInfo info = example_info({1, 3, 4, 5});
  info.has_lungs = info.has_nodules = true;
  testing::write_example_shard(dir / "a.h5", info, 2);
  const json found = read_by_h5py(dir / "a.h5");
  EXPECT_EQ(found["datasets"]["images"]["chunks"], json({1, 1, 3, 4, 5}));
  EXPECT_EQ(found["datasets"]["nodules"]["shape"], json({2, 3, 4, 5}));
  expect_samples(found, info, 2);
}

// Has h5py write a shard of each variant into the folder.
void write_by_h5py(const TempDir& dir, const std::vector<std::string>& variants) {
  std::vector<std::string> arguments = {dir.path().string()};
  arguments.insert(arguments.end(), variants.begin(), variants.end());
  testing::run_golden("shard_writer.py", arguments);
}

void expect_examples(const ShardReader& shard) {
  ASSERT_EQ(shard.size(), 4);
  for (int i = 0; i < 4; ++i) {
    const Sample expected = example_sample(shard.info(), i);
    const auto at = static_cast<std::size_t>(i);
    std::vector<std::uint16_t> image(30);
    shard.read_image(i, image);
    EXPECT_EQ(image, expected.image);
    EXPECT_EQ(shard.read_lungs(i), expected.lungs);
    EXPECT_EQ(shard.read_nodules(i), expected.nodules);
    EXPECT_EQ(shard.labels()[at], expected.label);
    EXPECT_EQ(shard.patients()[at], expected.patient);
    EXPECT_EQ(shard.series()[at], expected.series);
    EXPECT_EQ(shard.groups()[at], expected.group);
    EXPECT_EQ(shard.instances()[at], expected.instance);
    EXPECT_EQ(shard.positions_mm()[at], expected.position_mm);
  }
}

TEST(ShardInterop, WeReadShardsOfH5py) {
  const TempDir dir;
  const std::vector<std::string> variants = {"plain", "fixed_length_strings", "big_endian",
                                             "missing_attribute_pulmo_version"};
  write_by_h5py(dir, variants);
  for (const std::string& variant : variants) {
    SCOPED_TRACE(variant);
    const ShardReader shard(dir / (variant + ".h5"));
    EXPECT_EQ(shard.info().spec_json, R"({"made_by": "another program"})");
    EXPECT_TRUE(shard.info().has_lungs);
    expect_examples(shard);
  }
}

TEST(ShardInterop, MasksAreOptional) {
  const TempDir dir;
  write_by_h5py(dir, {"missing_nodules"});
  const ShardReader shard(dir / "missing_nodules.h5");
  EXPECT_FALSE(shard.info().has_nodules);
  EXPECT_TRUE(shard.read_nodules(0).empty());
}

const std::pair<std::string, std::string> kFaults[] = {
    {"newer_version", "format version is 2, this program reads up to 1"},
    {"missing_attribute_format_version", "not a shard of pulmo"},
    {"version_is_text", "format_version: it is not one integer"},
    {"missing_attribute_class_names", "attribute class_names is missing"},
    {"missing_attribute_spec", "attribute spec is missing"},
    {"missing_attribute_task", "attribute task is missing"},
    {"missing_images", "data set images is missing"},
    {"missing_labels", "data set labels is missing"},
    {"missing_patients", "data set patients is missing"},
    {"missing_position_mm", "data set position_mm is missing"},
    {"label_out_of_range", "sample 2 has the label 3, but there are only 3 classes"},
    {"labels_int64", "labels holds int64 instead of uint8"},
    {"images_float", "images holds float32 instead of uint16"},
    {"images_3d", "images has the shape (4,6,5)"},
    {"short_labels", "labels has the shape (3) instead of (4)"},
    {"lungs_other_size", "lungs has the shape (4,5,5) instead of (4,6,5)"},
    {"positions_two_columns", "position_mm has the shape (4,2) instead of (4)"},
    {"patients_numbers", "patients holds int64 instead of string"},
    {"spec_digest", "spec_sha256 is not the SHA-256 of spec"},
    {"one_class_name_twice", "class_names"},
};

TEST(ShardInterop, EachFaultIsRefusedWithItsReason) {
  const TempDir dir;
  std::vector<std::string> variants;
  for (const auto& [fault, message] : kFaults) variants.push_back(fault);
  write_by_h5py(dir, variants);
  for (const auto& [fault, message] : kFaults) {
    SCOPED_TRACE(fault);
    try {
      const ShardReader shard(dir / (fault + ".h5"));
      ADD_FAILURE() << "it was accepted";
    } catch (const InvalidInput& error) {
      EXPECT_EQ(error.reason(), "shard");
      EXPECT_THAT(error.what(), AllOf(HasSubstr(fault + ".h5"), HasSubstr(message)));
    }
  }
}

// The example that docs/formats.md gives to readers of other languages is run as it stands there.
TEST(ShardInterop, TheExampleOfTheDocumentationRuns) {
  const TempDir dir;
  testing::PreparedFolderOptions options;
  options.masks = true;
  testing::make_prepared_folder(dir.path(), options);
  const std::string page = read_text_file(testing::source_dir() / "docs/formats.md");
  const auto begin = page.find("```python\n");
  ASSERT_NE(begin, std::string::npos);
  const auto from = begin + std::string("```python\n").size();
  const std::string example = page.substr(from, page.find("```", from) - from);
  EXPECT_LE(std::count(example.begin(), example.end(), '\n'), 12);
  const std::string program = "import os; os.chdir('" + dir.path().string() + "')\n" + example;
  const auto result = testing::run_process({testing::python().string(), "-c", program});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("train-00000.h5 (10, 1, 32, 32) normal"));
  EXPECT_THAT(result.out, HasSubstr("test-00000.h5 (8, 1, 32, 32) normal"));
}

}  // namespace
}  // namespace pulmo
