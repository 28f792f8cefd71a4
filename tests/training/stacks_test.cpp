#include "training/stacks.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "core/support/error.h"
#include "tests/training/small_run.h"
#include "training/fit.h"

namespace pulmo::training {
namespace {

using testing::small_options;
using testing::SmallRun;

std::vector<std::uint16_t> pixels_of(const Dataset& dataset, std::int64_t index) {
  std::vector<std::uint16_t> pixels(static_cast<std::size_t>(dataset.shape().elements()));
  dataset.read_image(index, pixels);
  return pixels;
}

std::vector<std::uint16_t> slice_of(const std::vector<std::uint16_t>& volume, std::int64_t depth, std::int64_t slice) {
  const auto plane = static_cast<std::ptrdiff_t>(volume.size()) / depth;
  return {volume.begin() + slice * plane, volume.begin() + (slice + 1) * plane};
}

/// Patients of six slices: groups of three.
class StacksTest : public ::testing::Test {
 protected:
  const Communicator alone_ = Communicator::alone();
  const SmallRun run_{alone_, {.size_px = 16, .patients = 12, .samples_per_patient = 6}};
  const Dataset& slices_ = run_.data().train;
};

TEST_F(StacksTest, AreTheGroupsSlicesInOrderInTheMiddleOfZeros) {
  const Dataset stacks = slices_.stacked(5);
  EXPECT_EQ(stacks.shape(), (SampleShape{1, 5, 16, 16}));
  ASSERT_EQ(stacks.size(), slices_.size() / 3);
  const std::vector<std::uint16_t> nothing(16 * 16, 0);
  const auto groups = groups_of(slices_);
  for (std::int64_t i = 0; i < stacks.size(); ++i) {
    const auto& group = groups[static_cast<std::size_t>(i)];
    const auto volume = pixels_of(stacks, i);
    EXPECT_EQ(slice_of(volume, 5, 0), nothing);
    EXPECT_EQ(slice_of(volume, 5, 4), nothing);
    for (std::int64_t z = 0; z < 3; ++z) {
      EXPECT_EQ(slice_of(volume, 5, z + 1), pixels_of(slices_, group[static_cast<std::size_t>(z)]));
    }
    EXPECT_EQ(stacks.label(i), slices_.label(group.front()));
    EXPECT_EQ(stacks.patient(i), slices_.patient(group.front()));
    EXPECT_EQ(stacks.group(i), slices_.group(group.front()));
    EXPECT_EQ(stacks.instance(i), slices_.instance(group.front()));
  }
}

TEST_F(StacksTest, OfMoreSlicesThanTheDepthTheMiddleOnesAreTaken) {
  const Dataset stacks = slices_.stacked(1);
  const auto groups = groups_of(slices_);
  for (std::int64_t i = 0; i < stacks.size(); ++i) {
    EXPECT_EQ(pixels_of(stacks, i), pixels_of(slices_, groups[static_cast<std::size_t>(i)][1]));
  }
}

TEST_F(StacksTest, SlicesAreOrderedByPositionNotByTheirPlaceInTheShards) {
  // Position grows with the sample; of the patients taken in reverse the slices still do.
  std::set<std::string> patients;
  for (std::int64_t i = 0; i < slices_.size(); ++i) patients.insert(slices_.patient(i));
  const Dataset again = Dataset::of_patients(Split::kTrain, {&run_.data().validation, &slices_}, patients);
  const Dataset stacks = again.stacked(3);
  for (std::int64_t i = 0; i < stacks.size(); ++i) {
    const std::string first = stacks.instance(i);
    EXPECT_TRUE(first.ends_with("/001") || first.ends_with("/004")) << first;
  }
}

TEST_F(StacksTest, AreRefusedWhereAGroupHasTwoLabels) {
  // The phantom's slice task groups by series: normal and malignant slices of one patient.
  const pulmo::testing::TempDir directory;
  pulmo::testing::make_prepared_folder(directory / "data", {.size_px = 16, .patients = 12, .mixed_groups = true});
  const PreparedData mixed = open_prepared(directory / "data", false, alone_);
  try {
    mixed.train.stacked(3);
    ADD_FAILURE() << "accepted";
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "training_data");
    EXPECT_THAT(error.what(), ::testing::HasSubstr("one label a group"));
    EXPECT_THAT(error.what(), ::testing::Not(::testing::HasSubstr("TEST-")));
  }
}

TEST_F(StacksTest, AreForRowsOfVolumesOnSlicesOnly) {
  FitOptions options = small_options();
  EXPECT_FALSE(stacked_for(options, run_.data()));
  EXPECT_EQ(identity_for(options, run_.data()), run_.data().identity());
  options.model.name = "cnn3d";
  options.model.stack_slices = 3;
  const auto stacks = stacked_for(options, run_.data());
  ASSERT_TRUE(stacks);
  EXPECT_EQ(stacks->manifest.shape.depth, 3);
  EXPECT_FALSE(stacked_for(options, *stacks));
  const std::string identity = identity_for(options, run_.data());
  options.model.stack_slices = 4;
  EXPECT_NE(identity_for(options, run_.data()), identity);
}

TEST_F(StacksTest, ARowOfVolumesIsJudgedOnTheSlicesOfOtherRows) {
  FitJob job;
  job.options = small_options();
  job.options.model = {"cnn3d", 0.5, 3};
  job.options.training.precision = Precision::kFp32;
  job.folder = run_.folder("cnn3d");
  job.progress = ProgressStyle::kNone;
  job.interrupted = [] { return false; };
  const RowResult result = fit(job, run_.data(), alone_);
  const Dataset& test = run_.data().test;
  const auto part = std::find_if(result.predictions.begin(), result.predictions.end(),
                                 [](const SplitPredictions& one) { return one.split == "test"; });
  ASSERT_NE(part, result.predictions.end());
  ASSERT_EQ(static_cast<std::int64_t>(part->samples.size()), test.size());
  for (const auto& group : groups_of(test)) {
    for (const std::int64_t i : group) {
      const Prediction& one = part->samples[static_cast<std::size_t>(i)];
      EXPECT_EQ(one.instance, test.instance(i));
      EXPECT_EQ(one.probabilities, part->samples[static_cast<std::size_t>(group.front())].probabilities);
    }
  }
}

}  // namespace
}  // namespace pulmo::training
