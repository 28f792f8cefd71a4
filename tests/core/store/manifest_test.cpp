#include "core/store/manifest.h"

#include <gmock/gmock.h>

#include <fstream>
#include <functional>

#include "core/support/bytes.h"
#include "core/support/error.h"
#include "tests/core/store/example_shard.h"
#include "tests/support/prepared_folder.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempDir;
using ::testing::ThrowsMessage;

std::string digest_like(char digit) {
  return std::string(64, digit);
}

Manifest example_manifest() {
  Manifest manifest;
  manifest.task = "slice";
  manifest.source = "lidc";
  manifest.class_names = {"normal", "no"};
  manifest.positive_class = "no";
  manifest.shape = {1, 0, 96, 128};
  manifest.spec.size_px = 96;
  manifest.spec.threshold = 0.25;
  manifest.seed = UINT64_MAX;
  manifest.phantom = true;
  manifest.provenance = {{"rule", "median > 3: \"malignant\""}, {"margin_mm", "10.0"}, {"empty", ""}};
  manifest.split(Split::kTrain) = {{{"train-00000.h5", 3, digest_like('1')}, {"train-00001.h5", 2, digest_like('e')}},
                                   {"0001", "1e3", "LIDC-IDRI-0003", "null", "Ærø #2"},
                                   {{"normal", 4}, {"no", 1}}};
  manifest.split(Split::kTest) = {{{"test-00000.h5", 1, digest_like('2')}}, {"z"}, {{"normal", 0}, {"no", 1}}};
  manifest.split(Split::kValidation).counts = {{"normal", 0}, {"no", 0}};
  return manifest;
}

void expect_equal(const Manifest& a, const Manifest& b) {
  EXPECT_EQ(a.task, b.task);
  EXPECT_EQ(a.source, b.source);
  EXPECT_EQ(a.class_names, b.class_names);
  EXPECT_EQ(a.positive_class, b.positive_class);
  EXPECT_EQ(a.shape, b.shape);
  EXPECT_EQ(a.spec, b.spec);
  EXPECT_EQ(a.seed, b.seed);
  EXPECT_EQ(a.phantom, b.phantom);
  EXPECT_EQ(a.provenance, b.provenance);
  for (const Split which : kSplits) {
    EXPECT_EQ(a.split(which).patients, b.split(which).patients);
    EXPECT_EQ(a.split(which).counts, b.split(which).counts);
    ASSERT_EQ(a.split(which).shards.size(), b.split(which).shards.size());
    for (std::size_t i = 0; i < a.split(which).shards.size(); ++i) {
      EXPECT_EQ(a.split(which).shards[i].file, b.split(which).shards[i].file);
      EXPECT_EQ(a.split(which).shards[i].samples, b.split(which).shards[i].samples);
      EXPECT_EQ(a.split(which).shards[i].sha256, b.split(which).shards[i].sha256);
    }
  }
}

TEST(Manifest, ReturnsWhatWasWritten) {
  const TempDir dir;
  write_manifest(dir.path(), example_manifest());
  EXPECT_THAT(testing::names_in(dir.path()), ElementsAre("manifest.yaml"));
  expect_equal(read_manifest(dir.path()), example_manifest());
}

TEST(Manifest, SortsThePatients) {
  const TempDir dir;
  Manifest manifest = example_manifest();
  manifest.split(Split::kTrain).patients = {"b", "c", "a"};
  write_manifest(dir.path(), manifest);
  EXPECT_THAT(read_manifest(dir.path()).split(Split::kTrain).patients, ElementsAre("a", "b", "c"));
}

TEST(Manifest, CountsSamplesAndFindsThePositiveClass) {
  const Manifest manifest = example_manifest();
  EXPECT_EQ(manifest.split(Split::kTrain).samples(), 5);
  EXPECT_EQ(manifest.split(Split::kValidation).samples(), 0);
  EXPECT_EQ(manifest.positive_index(), 1);
}

// PyYAML sees the same texts, also those that look like numbers, and computes the same digest from docs/formats.md.
TEST(Manifest, SaysTheSameToPyYaml) {
  const TempDir dir;
  write_manifest(dir.path(), example_manifest());
  EXPECT_EQ(testing::run_golden("manifest_reader.py", {(dir / "manifest.yaml").string()}),
            "digest " + example_manifest().data_digest() +
                "\n"
                "classes ['normal', 'no'] positive no\n"
                "patients ['0001', '1e3', 'LIDC-IDRI-0003', 'null', 'Ærø #2'] [] ['z']\n"
                "provenance {'empty': '', 'margin_mm': '10.0', 'rule': 'median > 3: \"malignant\"'}\n"
                "seed 18446744073709551615 phantom True threshold 0.25 sigma 1.0 crop 0 mask lungs\n");
}

TEST(Manifest, DigestFollowsTheDataOnly) {
  const Manifest base = example_manifest();
  Manifest same = base;
  same.provenance.clear();
  same.split(Split::kTrain).patients = {"renamed"};
  EXPECT_EQ(same.data_digest(), base.data_digest());
  const std::function<void(Manifest&)> changes[] = {
      [](Manifest& m) { m.class_names[0] = "other"; },
      [](Manifest& m) { m.spec.gaussian_sigma_px = 2.0; },
      [](Manifest& m) { m.split(Split::kTest).shards[0].sha256 = digest_like('3'); },
      [](Manifest& m) { std::swap(m.splits[0], m.splits[2]); },
  };
  for (const auto& change : changes) {
    Manifest other = base;
    change(other);
    EXPECT_NE(other.data_digest(), base.data_digest());
  }
}

TEST(Manifest, RefusesAPatientInTwoSplitsWithoutNamingThem) {
  const TempDir dir;
  Manifest manifest = example_manifest();
  manifest.split(Split::kTest).patients = {"LIDC-IDRI-0003"};
  EXPECT_THAT([&] { write_manifest(dir.path(), manifest); },
              ThrowsMessage<InvalidInput>(
                  AllOf(HasSubstr("splits.test.patients[0]: the same patient as splits.train.patients[2]"),
                        Not(HasSubstr("LIDC-IDRI-0003")))));
  EXPECT_TRUE(testing::names_in(dir.path()).empty());
}

TEST(Manifest, RefusesAFolderThatCannotBeWritten) {
  EXPECT_THROW(write_manifest("/proc/no-such-folder", example_manifest()), IoError);
}

TEST(Manifest, SaysThatAFolderIsNotPrepared) {
  const TempDir dir;
  EXPECT_THAT([&] { read_manifest(dir.path()); }, ThrowsMessage<IoError>(HasSubstr("manifest.yaml")));
}

struct Edit {
  const char* name;
  const char* from;
  const char* to;
  const char* message;
};

class EditedManifest : public ::testing::TestWithParam<Edit> {};

TEST_P(EditedManifest, IsRefusedWithTheReason) {
  const TempDir dir;
  write_manifest(dir.path(), example_manifest());
  std::string text = read_text_file(dir / "manifest.yaml");
  const auto at = text.find(GetParam().from);
  ASSERT_NE(at, std::string::npos) << text;
  text.replace(at, std::string(GetParam().from).size(), GetParam().to);
  std::ofstream(dir / "manifest.yaml") << text;
  try {
    read_manifest(dir.path());
    FAIL() << "it was accepted";
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "manifest");
    EXPECT_THAT(error.what(), AllOf(HasSubstr("manifest.yaml"), HasSubstr(GetParam().message)));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Edits, EditedManifest,
    ::testing::Values(
        Edit{"NewerVersion", "format_version: 1", "format_version: 2", "format_version: 2, but this program reads up"},
        Edit{"NoVersion", "format_version: 1\n", "", "format_version"},
        Edit{"UnknownKey", "phantom: true", "phantom: true\nfolds: 5", "folds: unknown key"},
        Edit{"OtherSpec", "size_px: 96", "size_px: 97", "spec_sha256: it is not the digest of spec"},
        Edit{"SpecOutOfRange", "size_px: 96", "size_px: -1", "size_px"},
        Edit{"OtherClasses", "  - normal", "  - other", "data_digest"},
        Edit{"OtherSamples", "samples: 5", "samples: 6", "splits.train.samples"},
        Edit{"OtherCounts", "normal: 4", "normal: 5", "splits.train.counts: they sum to 6"},
        Edit{"PatientTwice", "\"1e3\"", "\"0001\"", "the same patient as splits.train.patients[0]"},
        Edit{"SeedTooLarge", "seed: 18446744073709551615", "seed: 18446744073709551616",
             "seed: expected a whole number"},
        Edit{"SpecNotUtf8", "mask: lungs", "mask: \"lungs\xff\"", "mask"},
        Edit{"FileElsewhere", "file: test-00000.h5", "file: ../test-00000.h5", "'../test-00000.h5' is not a plain"},
        Edit{"UnknownPositive", "positive_class: \"no\"", "positive_class: yes", "positive_class"},
        Edit{"NegativeCount", "samples: 3", "samples: -3", "splits.train.shards[0].samples"},
        Edit{"NotYaml", "class_names:", "class_names: [", "not valid YAML"},
        Edit{"ShapeZero", "height: 96", "height: 0", "shape.height"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Manifest, NamesNoPatientWhereTheirListIsNone) {
  const TempDir dir;
  write_manifest(dir.path(), example_manifest());
  std::string text = read_text_file(dir / "manifest.yaml");
  const auto list = text.find("patients:", text.find("test:"));
  ASSERT_NE(list, std::string::npos);
  text.insert(list, "patients: LIDC-IDRI-0001\n    was_");
  std::ofstream(dir / "manifest.yaml") << text;
  EXPECT_THAT([&] { read_manifest(dir.path()); },
              ThrowsMessage<InvalidInput>(
                  AllOf(HasSubstr("patients: expected a list of texts"), Not(HasSubstr("LIDC-IDRI-0001")))));
}

class OpenSplit : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::make_prepared_folder(dir_.path());
    manifest_ = read_manifest(dir_.path());
  }
  void expect_refused(const char* message, Split which = Split::kTrain) const {
    EXPECT_THAT([&] { open_split(dir_.path(), manifest_, which); }, ThrowsMessage<InvalidInput>(HasSubstr(message)));
  }

  TempDir dir_;
  Manifest manifest_;
};

TEST_F(OpenSplit, OpensEveryShardInOrder) {
  for (const Split which : kSplits) {
    const auto shards = open_split(dir_.path(), manifest_, which, true);
    ASSERT_EQ(shards.size(), manifest_.split(which).shards.size());
    for (std::size_t i = 0; i < shards.size(); ++i) {
      EXPECT_EQ(shards[i].path().filename(), manifest_.split(which).shards[i].file);
      EXPECT_EQ(shards[i].size(), manifest_.split(which).shards[i].samples);
    }
  }
}

TEST_F(OpenSplit, RefusesAShardOfAnotherSpec) {
  manifest_.spec.gaussian_sigma_px = 0.5;
  expect_refused("its preprocessing (spec_sha256 ");
}

TEST_F(OpenSplit, RefusesAShardOfOtherClasses) {
  manifest_.class_names = {"normal", "other"};
  expect_refused("its classes are not those of the manifest");
}

TEST_F(OpenSplit, RefusesAShardOfAnotherShape) {
  manifest_.shape.width = 33;
  expect_refused("another shape");
}

TEST_F(OpenSplit, RefusesAShardOfAnotherTask) {
  manifest_.task = "nodule";
  expect_refused("its task is 'slice', the manifest's 'nodule'");
}

TEST_F(OpenSplit, RefusesAShardWithAnotherNumberOfSamples) {
  manifest_.split(Split::kTrain).shards[0].samples = 9;
  expect_refused("train-00000.h5: it holds 10 samples, the manifest says 9");
}

TEST_F(OpenSplit, RefusesOtherCountsOfAClass) {
  manifest_.split(Split::kTest).counts = {{"normal", 5}, {"malignant", 3}};
  expect_refused("hold 4 samples of class malignant, which is not what the manifest says", Split::kTest);
}

TEST_F(OpenSplit, AMissingShardIsNamed) {
  std::filesystem::remove(dir_ / "validation-00000.h5");
  EXPECT_THAT([&] { open_split(dir_.path(), manifest_, Split::kValidation); },
              ThrowsMessage<IoError>(HasSubstr("validation-00000.h5")));
}

TEST_F(OpenSplit, ComparesDigestsOnRequest) {
  manifest_.split(Split::kTest).shards[0].sha256 = digest_like('0');
  EXPECT_NO_THROW(open_split(dir_.path(), manifest_, Split::kTest));
  EXPECT_THAT([&] { open_split(dir_.path(), manifest_, Split::kTest, true); },
              ThrowsMessage<InvalidInput>(HasSubstr("test-00000.h5: its SHA-256 is not the manifest's")));
}

}  // namespace
}  // namespace pulmo
