#include "pipeline/inspection/collection_page.h"

#include <gmock/gmock.h>

#include <fstream>

#include "core/support/bytes.h"
#include "core/support/error.h"
#include "pipeline/inspection/grouped.h"
#include "pipeline/inspection/run_report.h"
#include "tests/pipeline/inspection/hand_made_folder.h"
#include "tests/support/temp_dir.h"

namespace pulmo::pipeline {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::small_folder;
using testing::TempDir;

void write_report(const TempDir& dir, const std::string& text) {
  std::ofstream(dir / "report.yaml") << text;
}

TEST(CollectionPage, ShowsAFolderWithoutAReportToo) {
  const TempDir dir;
  small_folder().write(dir.path());
  const std::string page = collection_page(dir.path());
  EXPECT_THAT(page, HasSubstr("Slices: normal, malignant"));
  EXPECT_THAT(page, HasSubstr("data:image/png;base64,iVBOR"));
  EXPECT_THAT(page, Not(HasSubstr("What was left out")));
}

TEST(CollectionPage, IsTheSameForTheSameFolder) {
  const TempDir dir;
  small_folder().write(dir.path());
  EXPECT_EQ(collection_page(dir.path()), collection_page(dir.path()));
}

TEST(CollectionPage, NamesNoFileSinceItsNameMayBeAPatients) {
  const TempDir dir;
  small_folder().write(dir.path());
  std::ofstream(dir / "split.csv") << "patient,split\n\"SECRET, 9\",test\nSECRET-1,train\n";
  write_report(dir, R"(
problems:
  truncated_dicom:
    count: 3
    examples: ["/in/SECRET-7/x.dcm: SECRET-1 and SECRET, 9 break off", "SECRET-2_1.dcm is none", "SECRET-3.dcm: bad"]
)");
  const std::string page = collection_page(dir.path());
  EXPECT_THAT(page, Not(HasSubstr("SECRET")));
  EXPECT_THAT(page, HasSubstr("truncated_dicom"));
}

TEST(CollectionPage, EscapesWhatComesFromOutside) {
  const TempDir dir;
  auto folder = small_folder();
  folder.class_names = {"<script>alert(1)</script>", "a&b"};
  folder.write(dir.path());
  write_report(dir, "statistics: {scanners: {'<img src=x onerror=alert(2)>': 2}}\nnotes: {'<b>': {count: 1}}\n");
  const std::string page = collection_page(dir.path());
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("<img src=x")));
  EXPECT_THAT(page, Not(HasSubstr("<b></code>")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;"));
  EXPECT_THAT(page, HasSubstr("a&amp;b"));
}

TEST(CollectionPage, SaysThatDataAreSynthetic) {
  const TempDir dir;
  Manifest manifest = small_folder().write(dir.path());
  EXPECT_THAT(collection_page(dir.path()), Not(HasSubstr("Synthetic phantom")));
  manifest.phantom = true;
  write_manifest(dir.path(), manifest);
  EXPECT_THAT(collection_page(dir.path()), HasSubstr("Synthetic phantom"));
}

TEST(CollectionPage, RefusesADamagedReport) {
  const TempDir dir;
  small_folder().write(dir.path());
  for (const char* text :
       {"problems: {x: {count: many}}", "[unclosed", "statistics: {lung_fraction: {normal: {bin: x}}}"}) {
    write_report(dir, text);
    try {
      collection_page(dir.path());
      FAIL() << text;
    } catch (const InvalidInput& error) {
      EXPECT_EQ(error.reason(), "report");
      EXPECT_THAT(error.what(), HasSubstr("report.yaml is damaged"));
    }
  }
}

TEST(RunReport, SortsReasonsByCountAndDropsThoseTakenBack) {
  const TempDir dir;
  write_report(
      dir, "left_out: {slices: {a: {count: 1}, b: {count: 9, examples: [x]}, c: {count: 0}}}\ntotals: {files: 3}\n");
  const auto report = read_run_report(dir.path());
  ASSERT_TRUE(report);
  ASSERT_EQ(report->left_out.size(), 1U);
  const auto& reasons = report->left_out[0].second;
  ASSERT_EQ(reasons.size(), 2U);
  EXPECT_EQ(reasons[0].reason, "b");
  EXPECT_EQ(report->totals.at("files"), 3);
  EXPECT_FALSE(read_run_report(dir / "nowhere"));
}

TEST(Grouped, GroupsDigitsByThree) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(-1234567), "-1,234,567");
}

}  // namespace
}  // namespace pulmo::pipeline
