#include "pipeline/inspection/verify.h"

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>

#include "core/support/bytes.h"
#include "core/support/error.h"
#include "tests/pipeline/inspection/hand_made_folder.h"
#include "tests/support/prepared_folder.h"
#include "tests/support/temp_dir.h"

namespace pulmo::pipeline {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::small_folder;
using testing::TempDir;
using ::testing::UnorderedElementsAre;

// Verifies a hand-made folder; patients must stay unnamed whatever is wrong with it.
VerifyReport verified(const std::filesystem::path& directory) {
  VerifyReport report = verify(directory);
  EXPECT_THAT(report.text(), Not(HasSubstr("SECRET")));
  return report;
}

void flip_byte(const std::filesystem::path& file, const std::vector<std::uint16_t>& image) {
  std::string bytes = read_text_file(file);
  const std::string pixels(reinterpret_cast<const char*>(image.data()), image.size() * sizeof image[0]);
  const auto at = bytes.find(pixels);
  ASSERT_NE(at, std::string::npos);
  bytes[at + 100] = static_cast<char>(bytes[at + 100] ^ 0x40);
  std::ofstream(file, std::ios::binary) << bytes;
}

TEST(Verify, FindsNothingWrongWithAGoodFolder) {
  const TempDir dir;
  testing::PreparedFolderOptions options;
  options.masks = true;
  testing::make_prepared_folder(dir.path(), options);
  const VerifyReport report = verify(dir.path());
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.warnings, IsEmpty());
  EXPECT_TRUE(report.good());
  EXPECT_EQ(report.shards, 6);
  EXPECT_EQ(report.samples, 48);
  EXPECT_EQ(report.patients, 12);
  EXPECT_THAT(report.text(), HasSubstr("good: 6 shards, 48 samples, 12 patients"));
}

TEST(Verify, TellsItsProgress) {
  const TempDir dir;
  small_folder().write(dir.path());
  std::vector<std::int64_t> done;
  verify(dir.path(), [&done](std::int64_t now, std::int64_t total) {
    EXPECT_EQ(total, 3);
    done.push_back(now);
  });
  EXPECT_THAT(done, ElementsAre(1, 2, 3));
}

TEST(Verify, AFlippedByteIsFoundByDigestAndByChecksumAndTheRestIsStillRead) {
  const TempDir dir;
  const auto folder = small_folder();
  folder.write(dir.path());
  flip_byte(dir / "train-00000.h5", folder.samples.at(Split::kTrain)[2].image);
  const VerifyReport report = verified(dir.path());
  EXPECT_THAT(report.problems, UnorderedElementsAre(HasSubstr("train-00000.h5: its SHA-256 is not the manifest's"),
                                                    HasSubstr("train-00000.h5: images, sample 2 of 4")));
  EXPECT_EQ(report.samples, 7);
}

TEST(Verify, AMissingAndATruncatedShardAreOneProblemEach) {
  const TempDir dir;
  small_folder().write(dir.path());
  std::filesystem::remove(dir / "validation-00000.h5");
  std::filesystem::resize_file(dir / "test-00000.h5", 1000);
  const VerifyReport report = verified(dir.path());
  EXPECT_THAT(report.problems,
              UnorderedElementsAre(HasSubstr("validation-00000.h5"), HasSubstr("test-00000.h5: its SHA-256"),
                                   HasSubstr("test-00000.h5: opening it as HDF5")));
  EXPECT_EQ(report.samples, 4);
}

TEST(Verify, APatientInTwoSplitsIsFoundInTheShardsThemselves) {
  const TempDir dir;
  auto folder = small_folder();
  for (Sample& sample : folder.samples[Split::kTest]) sample.patient = "SECRET-1";
  folder.listed_patients[Split::kTest] = {"SECRET-4"};
  folder.write(dir.path());
  EXPECT_THAT(verified(dir.path()).problems,
              UnorderedElementsAre(HasSubstr("patients with samples in train and test: 1"),
                                   HasSubstr("patients in the shards of test that the manifest does not list: 1"),
                                   HasSubstr("patients that the manifest lists for test without a sample: 1")));
}

TEST(Verify, AGroupOfTwoPatientsIsFound) {
  const TempDir dir;
  auto folder = small_folder();
  folder.samples[Split::kTest][1].group = "SECRET-1/group";
  folder.write(dir.path());
  EXPECT_THAT(verified(dir.path()).problems,
              ElementsAre(HasSubstr("the group of test-00000.h5 sample 1 belongs to another patient in train-00000.h5 "
                                    "sample 0")));
}

TEST(Verify, TheSamePictureInTwoSplitsIsAWarning) {
  const TempDir dir;
  auto folder = small_folder();
  folder.samples[Split::kTest][0].image = folder.samples[Split::kTrain][3].image;
  folder.samples[Split::kTrain][1].image = folder.samples[Split::kTrain][0].image;  // within a split it is none
  folder.write(dir.path());
  const VerifyReport report = verified(dir.path());
  EXPECT_TRUE(report.good());
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("the same picture in two splits: 1 times (the first: "
                                                     "train-00000.h5 sample 3 and test-00000.h5 sample 0)")));
}

TEST(Verify, AShardThatTheManifestDoesNotListIsAWarning) {
  const TempDir dir;
  small_folder().write(dir.path());
  std::ofstream(dir / "train-00001.h5") << "left over";
  EXPECT_THAT(verified(dir.path()).warnings, ElementsAre(HasSubstr("train-00001.h5: not in the manifest")));
}

TEST(Verify, PixelsOutsideTheLungsAreFound) {
  const TempDir dir;
  auto folder = small_folder();
  folder.samples[Split::kTest][1].image[3] = 1;
  folder.write(dir.path());
  EXPECT_THAT(verified(dir.path()).problems,
              ElementsAre(HasSubstr("test-00000.h5, sample 1: its image is not black outside the lungs")));
}

TEST(Verify, ALungMaskOfOtherValuesIsFound) {
  const TempDir dir;
  auto folder = small_folder();
  folder.samples[Split::kTrain][0].lungs[5] = 255;
  folder.write(dir.path());
  EXPECT_THAT(verified(dir.path()).problems,
              ElementsAre(HasSubstr("train-00000.h5, sample 0: its lung mask holds other values than 0 and 1")));
}

TEST(Verify, APositionThatIsNoNumberIsFound) {
  const TempDir dir;
  auto folder = small_folder();
  folder.samples[Split::kTrain][1].position_mm = std::nan("");
  folder.write(dir.path());
  EXPECT_THAT(verified(dir.path()).problems, ElementsAre(HasSubstr("train-00000.h5, sample 1: its position")));
}

TEST(Verify, ManyProblemsOfAShardAreCutShort) {
  const TempDir dir;
  auto folder = small_folder();
  for (int i = 0; i < 30; ++i) {
    folder.samples[Split::kTrain].push_back(folder.sample("SECRET-1", 0, 100 + i));
    folder.samples[Split::kTrain].back().lungs[0] = 2;
  }
  folder.write(dir.path());
  const VerifyReport report = verified(dir.path());
  EXPECT_EQ(report.problems.size(), 11U);
  EXPECT_THAT(report.problems, Contains(HasSubstr("train-00000.h5: and 20 more")));
}

TEST(Verify, AShardOfAnotherPreparationIsFound) {
  const TempDir dir;
  Manifest manifest = small_folder().write(dir.path());
  manifest.spec.gaussian_sigma_px = 2.0;
  write_manifest(dir.path(), manifest);
  const VerifyReport report = verified(dir.path());
  EXPECT_EQ(report.problems.size(), 3U);
  EXPECT_THAT(report.problems, Contains(HasSubstr("its preprocessing (spec_sha256 ")).Times(3));
}

TEST(Verify, OtherCountsThanTheManifestsAreFound) {
  const TempDir dir;
  Manifest manifest = small_folder().write(dir.path());
  manifest.split(Split::kTrain).counts = {{"normal", 1}, {"malignant", 3}};
  write_manifest(dir.path(), manifest);
  EXPECT_THAT(verified(dir.path()).problems,
              UnorderedElementsAre(HasSubstr("train hold 2 samples of class normal, the manifest says 1"),
                                   HasSubstr("train hold 2 samples of class malignant, the manifest says 3")));
}

TEST(Verify, AnEditedManifestIsAProblemAndNoManifestAnError) {
  const TempDir dir;
  small_folder().write(dir.path());
  std::ofstream(dir / "manifest.yaml", std::ios::app) << "extra: 1\n";
  EXPECT_THAT(verified(dir.path()).problems, ElementsAre(HasSubstr("extra: unknown key")));
  std::filesystem::remove(dir / "manifest.yaml");
  EXPECT_THROW(verify(dir.path()), IoError);
}

}  // namespace
}  // namespace pulmo::pipeline
