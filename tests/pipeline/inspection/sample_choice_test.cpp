#include "pipeline/inspection/sample_choice.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "tests/support/prepared_folder.h"
#include "tests/support/temp_dir.h"

namespace pulmo::pipeline {
namespace {

using testing::TempDir;

// 8, 2 and 2 patients in train, validation and test; four samples each, one class for each patient.
class SampleChoice : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::make_prepared_folder(dir_.path());
    data_ = open_prepared(dir_.path());
  }
  std::multiset<std::string> patients_of(const std::vector<SampleAddress>& chosen) const {
    std::multiset<std::string> patients;
    for (const SampleAddress& address : chosen) {
      const ShardReader& shard = data_.split(address.split)[address.shard];
      EXPECT_EQ(shard.labels()[static_cast<std::size_t>(address.sample)], 1);
      patients.insert(shard.patients()[static_cast<std::size_t>(address.sample)]);
    }
    return patients;
  }
  static std::int64_t count(const std::vector<SampleAddress>& chosen, Split which) {
    return std::count_if(chosen.begin(), chosen.end(), [which](const auto& address) { return address.split == which; });
  }

  TempDir dir_;
  PreparedData data_;
};

TEST_F(SampleChoice, SplitsTakeTurns) {
  const auto chosen = choose_samples(data_, 1, {9, 1, {}});
  ASSERT_EQ(chosen.size(), 9U);
  for (const Split which : kSplits) EXPECT_EQ(count(chosen, which), 3);
}

TEST_F(SampleChoice, NoPatientComesTwiceBeforeAllHaveCome) {
  const auto patients = patients_of(choose_samples(data_, 1, {6, 1, Split::kTrain}));
  const std::set<std::string> different(patients.begin(), patients.end());
  EXPECT_EQ(different.size(), 4U);
  for (const std::string& patient : different) EXPECT_LE(patients.count(patient), 2U);
}

TEST_F(SampleChoice, NoSampleComesTwiceAndAllComeInTheEnd) {
  const auto chosen = choose_samples(data_, 1, {1000, 1, {}});
  EXPECT_EQ(chosen.size(), 24U);
  for (std::size_t i = 1; i < chosen.size(); ++i) EXPECT_FALSE(chosen[i] == chosen[i - 1]);
}

TEST_F(SampleChoice, OneSplitCanBeAskedFor) {
  const auto chosen = choose_samples(data_, 1, {1000, 1, Split::kTest});
  EXPECT_EQ(chosen.size(), 4U);
  EXPECT_EQ(count(chosen, Split::kTest), 4);
}

TEST_F(SampleChoice, DependsOnTheSeedOnly) {
  EXPECT_EQ(choose_samples(data_, 1, {6, 1, {}}), choose_samples(data_, 1, {6, 1, {}}));
  EXPECT_NE(choose_samples(data_, 1, {6, 1, {}}), choose_samples(data_, 1, {6, 2, {}}));
}

}  // namespace
}  // namespace pulmo::pipeline
