#include "pipeline/plan/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "core/support/error.h"
#include "tests/support/temp_dir.h"

namespace pulmo::pipeline {
namespace {

using ::testing::HasSubstr;

std::map<std::string, std::string> patients(int malignant, int normal) {
  std::map<std::string, std::string> strata;
  for (int i = 0; i < malignant; ++i) strata[std::string("m").append(std::to_string(i))] = "malignant";
  for (int i = 0; i < normal; ++i) strata[std::string("n").append(std::to_string(i))] = "normal";
  return strata;
}

std::map<Split, int> count(const PatientSplit& split, char stratum) {
  std::map<Split, int> counts;
  for (const auto& [patient, part] : split) counts[part] += patient[0] == stratum ? 1 : 0;
  return counts;
}

TEST(Split, GivesEachStratumItsShareOfEachPart) {
  SplitOptions options;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    options.seed = seed;
    const PatientSplit split = split_patients(patients(37, 101), options);
    EXPECT_EQ(split.size(), 138U);
    auto malignant = count(split, 'm');
    auto normal = count(split, 'n');
    EXPECT_NEAR(malignant[Split::kTest], 37 * 0.2, 1.0);
    EXPECT_NEAR(normal[Split::kTest], 101 * 0.2, 1.0);
    EXPECT_NEAR(malignant[Split::kValidation], 37 * 0.8 * 0.125, 1.3);
    EXPECT_NEAR(normal[Split::kValidation], 101 * 0.8 * 0.125, 1.3);
    EXPECT_NEAR(malignant[Split::kTest] + normal[Split::kTest], 138 * 0.2, 1.0);
  }
}

TEST(Split, DependsOnTheSeedAlone) {
  SplitOptions options;
  const PatientSplit first = split_patients(patients(20, 20), options);
  EXPECT_EQ(split_patients(patients(20, 20), options), first);
  options.seed = 2;
  EXPECT_NE(split_patients(patients(20, 20), options), first);
}

TEST(Split, TestsEachPatientInExactlyOneFold) {
  SplitOptions options;
  options.folds = 5;
  std::map<std::string, int> tested;
  for (options.fold = 0; options.fold < 5; ++options.fold) {
    for (const auto& [patient, part] : split_patients(patients(23, 41), options)) {
      tested[patient] += part == Split::kTest ? 1 : 0;
    }
  }
  EXPECT_EQ(tested.size(), 64U);
  for (const auto& [patient, times] : tested) EXPECT_EQ(times, 1) << patient;
}

TEST(Split, PutsAllIntoTestForModeNone) {
  SplitOptions options;
  options.mode = SplitMode::kNone;
  EXPECT_EQ(count(split_patients(patients(1, 0), options), 'm')[Split::kTest], 1);
}

TEST(Split, RefusesToLeaveAPartEmpty) {
  try {
    split_patients(patients(1, 1), {});
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "split");
    EXPECT_THAT(error.what(), HasSubstr("split.mode: none"));
  }
}

TEST(Split, LeavesNoValidationWhenNoneIsAskedFor) {
  SplitOptions options;
  options.validation_fraction = 0.0;
  EXPECT_EQ(count(split_patients(patients(10, 0), options), 'm')[Split::kValidation], 0);
}

TEST(Split, ReadsBackTheFileThatItWrites) {
  const PatientSplit split{{"a,b", Split::kTrain}, {"c", Split::kTest}, {"d", Split::kValidation}};
  EXPECT_EQ(parse_split_file(split_file_text(split), "s.csv"), split);
}

TEST(Split, TakesPatientsAsTheFileSays) {
  const testing::TempDir dir;
  std::ofstream(dir / "s.csv") << "patient,split\nm0,train\nm1,validation\nabsent,test\n";
  SplitOptions options;
  options.mode = SplitMode::kFile;
  options.file = (dir / "s.csv").string();
  const PatientSplit split = split_patients(patients(3, 0), options);
  EXPECT_EQ(split, (PatientSplit{{"m0", Split::kTrain}, {"m1", Split::kValidation}}));
}

TEST(Split, RefusesAFileWithAPatientInTwoPartsWithoutNamingThePatient) {
  try {
    parse_split_file("patient,split\nJane,train\nJane,test\n", "s.csv");
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "split");
    EXPECT_THAT(error.what(), HasSubstr("s.csv:3"));
    EXPECT_THAT(error.what(), ::testing::Not(HasSubstr("Jane")));
  }
}

TEST(Split, RefusesAnUnknownPart) {
  EXPECT_THROW(parse_split_file("patient,split\na,training\n", "s.csv"), InvalidInput);
  EXPECT_THROW(parse_split_file("patient\na\n", "s.csv"), InvalidInput);
}

}  // namespace
}  // namespace pulmo::pipeline
