#include "pipeline/inspection/inspect.h"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/support/error.h"
#include "tests/pipeline/inspection/hand_made_folder.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo::pipeline {
namespace {

using nlohmann::json;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::small_folder;
using testing::TempDir;

TEST(Inspect, CountsSamplesPatientsAndGroupsOfEachSplit) {
  const TempDir dir;
  small_folder().write(dir.path());
  const std::string text = describe(dir.path());
  EXPECT_THAT(text, ContainsRegex("split +normal +malignant +samples +patients +series +groups"));
  EXPECT_THAT(text, ContainsRegex("train +2 +2 +4 +2 +2 +2"));
  EXPECT_THAT(text, ContainsRegex("validation +2 +0 +2 +1 +1 +1"));
  EXPECT_THAT(text, ContainsRegex("test +0 +2 +2 +1 +1 +1"));
  EXPECT_THAT(text, ContainsRegex("total +4 +4 +8 +4 +4 +4"));
  EXPECT_THAT(text, ContainsRegex("malignant +4 +50.0 % +2 +2"));
  EXPECT_THAT(text, HasSubstr("1 x 16 x 16, masks stored: lungs, nodules"));
  EXPECT_THAT(text, HasSubstr("normal, malignant (positive: malignant)"));
}

TEST(Inspect, NamesNoPatient) {
  const TempDir dir;
  small_folder().write(dir.path());
  EXPECT_THAT(describe(dir.path()), Not(HasSubstr("SECRET")));
  EXPECT_THAT(describe_json(dir.path()), Not(HasSubstr("SECRET")));
}

TEST(Inspect, SaysThatDataAreSynthetic) {
  const TempDir dir;
  Manifest manifest = small_folder().write(dir.path());
  EXPECT_THAT(describe(dir.path()), Not(HasSubstr("PHANTOM")));
  manifest.phantom = true;
  write_manifest(dir.path(), manifest);
  EXPECT_THAT(describe(dir.path()), HasSubstr("SYNTHETIC PHANTOM"));
  EXPECT_EQ(json::parse(describe_json(dir.path()))["phantom"], true);
}

// h5py and PyYAML count the same folder.
TEST(Inspect, JsonAgreesWithACountByH5py) {
  const TempDir dir;
  small_folder().write(dir.path());
  const auto script = testing::source_dir() / "tests/golden/shard_counts.py";
  const auto counted = testing::run_process({testing::python().string(), script.string(), dir.path().string()});
  ASSERT_EQ(counted.exit_code, 0) << counted.err;
  json found = json::parse(describe_json(dir.path()));
  json expected = json::parse(counted.out);
  for (const auto& [key, value] : expected.items()) EXPECT_EQ(found[key], value) << key;
  EXPECT_GE(expected.size(), 8U);
}

TEST(Inspect, TellsWhatTheReportCounted) {
  const TempDir dir;
  small_folder().write(dir.path());
  EXPECT_FALSE(json::parse(describe_json(dir.path())).contains("report"));
  std::ofstream(dir / "report.yaml") << R"(
totals: {files: 40}
left_out: {slices: {near_mark: {count: 7}, not_drawn: {count: 12}}}
problems: {truncated_dicom: {count: 1, examples: ["SECRET-1/x.dcm: breaks off"]}}
notes: {gap: {count: 2}}
statistics:
  pixel_spacing_mm: {series: {bin: 0.01, counts: {0.7: 3, 0.81: 1}}}
  scanners: {Testco: 4}
)";
  const std::string text = describe(dir.path());
  EXPECT_THAT(text, ContainsRegex("slices +not_drawn +12\n +slices +near_mark +7"));
  EXPECT_THAT(text, ContainsRegex("problem +truncated_dicom +1"));
  EXPECT_THAT(text, ContainsRegex("note +gap +2"));
  const std::string written = describe_json(dir.path());
  EXPECT_THAT(written, Not(HasSubstr("SECRET")));
  const json report = json::parse(written)["report"];
  EXPECT_EQ(report["totals"]["files"], 40);
  EXPECT_EQ(report["left_out"]["slices"], (json{{"near_mark", 7}, {"not_drawn", 12}}));
  EXPECT_EQ(report["problems"], (json{{"truncated_dicom", 1}}));
  EXPECT_EQ(report["statistics"]["pixel_spacing_mm"]["series"]["counts"], (json{{0.7, 3}, {0.81, 1}}));
  EXPECT_EQ(report["scanners"], (json{{"Testco", 4}}));
}

TEST(Inspect, AFolderThatDoesNotFitTogetherIsAnError) {
  const TempDir dir;
  EXPECT_THROW(describe(dir.path()), IoError);
  Manifest manifest = small_folder().write(dir.path());
  manifest.split(Split::kTrain).counts = {{"normal", 1}, {"malignant", 3}};
  write_manifest(dir.path(), manifest);
  EXPECT_THROW(describe(dir.path()), InvalidInput);
}

}  // namespace
}  // namespace pulmo::pipeline
