#include "pipeline/lidc/annotation_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/support/error.h"
#include "pipeline/input/csv.h"
#include "tests/pipeline/support/lidc_files.h"

namespace pulmo::pipeline {
namespace {

using testing::MarkXml;
using testing::reading_xml;

using Sessions = std::vector<std::vector<MarkXml>>;

AnnotationTable table_of_sessions(const Sessions& sessions, const SeriesFacts& facts = {}) {
  std::map<std::string, LidcReading> readings;
  readings["2.25.7"] = *parse_lidc_xml(as_bytes(reading_xml("2.25.7", sessions)), "r.xml");
  Ledger ledger;
  return annotation_table(readings, facts, ledger);
}

/// The table of one series that each of as many readers marked once, with these ratings, at one place.
CsvTable table_of(const std::vector<int>& ratings, const SeriesFacts& facts = {}) {
  Sessions sessions;
  for (const int rating : ratings) {
    MarkXml mark;
    mark.malignancy = rating;
    mark.slices = {{"uid-0", 0.0}, {"uid-1", 2.0}};
    sessions.push_back({mark});
  }
  return {table_of_sessions(sessions, facts).csv, "nodules.csv"};
}

std::string field(const CsvTable& table, const std::string& column) {
  return table.rows().at(0).fields[table.require(column)];
}

TEST(AnnotationTable, HasTheConsensusByEachRule) {
  const CsvTable table = table_of({5, 3, 4, 2});
  EXPECT_EQ(field(table, "malignancies"), "5;3;4;2");
  EXPECT_EQ(field(table, "malignancy_median"), "3.5");
  EXPECT_EQ(field(table, "malignancy_median_high"), "4");
  EXPECT_EQ(field(table, "malignancy_mean"), "3.5");
}

TEST(AnnotationTable, NamesTheMostFrequentRatingAndOfSeveralTheFirst) {
  EXPECT_EQ(field(table_of({5, 3, 3, 4}), "malignancy_mode"), "3");
  EXPECT_EQ(field(table_of({4, 3, 5, 2}), "malignancy_mode"), "4");
  EXPECT_EQ(field(table_of({2, 5, 5, 2}), "malignancy_mode"), "2");
  EXPECT_EQ(field(table_of({1, 5, 5, 2}), "malignancy_mode"), "5");
}

TEST(AnnotationTable, TakesPatientsAndSpacingFromTables) {
  EXPECT_EQ(field(table_of({4}), "spacing"), "assumed");
  EXPECT_EQ(field(table_of({4}), "patient"), "");
  SeriesFacts facts;
  read_patients("patient,series_uid\nP-9,2.25.7\n", "patients.csv", facts);
  read_spacings("nodule_id,pixel_spacing,slice_thickness\nP-9-1,0.5,3\n", "pylidc.csv", facts);
  const CsvTable table = table_of({4}, facts);
  EXPECT_EQ(field(table, "patient"), "P-9");
  EXPECT_EQ(field(table, "spacing"), "table");
  EXPECT_EQ(field(table, "diameter_mm"), "4.000");  // 8 pixels of 0.5 mm
}

MarkXml mark_at(int x, int radius) {
  MarkXml mark;
  mark.centre_x = x;
  mark.radius = radius;
  mark.slices = {{"uid-0", 0.0}};
  return mark;
}

TEST(AnnotationTable, SaysHowWellReadersAgreeAndTheMeanOfNodulesWithThree) {
  // Radius r encloses 2r(r-1)+1 pixels. At 30 readers of 25, 25 and 13: twice 1, and 2 x 13 / (13 + 25). At 300 two of
  // 25 and 13: no part of the mean. At 400 one.
  const Sessions sessions{
      {mark_at(30, 4), mark_at(300, 4), mark_at(400, 4)}, {mark_at(30, 4), mark_at(300, 3)}, {mark_at(30, 3)}};
  const AnnotationTable table = table_of_sessions(sessions);
  const CsvTable csv(table.csv, "nodules.csv");
  std::map<std::string, std::string> dice_by_readers;
  for (const CsvRow& row : csv.rows()) {
    dice_by_readers[row.fields[csv.require("readers")]] = row.fields[csv.require("reader_dice")];
  }
  const std::map<std::string, std::string> expected{{"1", ""}, {"2", "0.6842"}, {"3", "0.8947"}};
  EXPECT_EQ(dice_by_readers, expected);
  EXPECT_EQ(table.compared, 1U);
  EXPECT_DOUBLE_EQ(table.mean_reader_dice, (2.0 + 26.0 / 38.0) / 3.0);
}

TEST(AnnotationTable, HasNoMeanAgreementWithoutNodulesOfThreeReaders) {
  const AnnotationTable table = table_of_sessions({{mark_at(30, 4)}, {mark_at(30, 4)}});
  EXPECT_EQ(table.compared, 0U);
  EXPECT_EQ(table.mean_reader_dice, 0.0);
}

TEST(AnnotationTable, RefusesASpacingThatIsNoLength) {
  for (const char* spacing : {"0", "-1", "wide", "nan"}) {
    SeriesFacts facts;
    const std::string text = std::string("series_uid,pixel_spacing,slice_thickness\n2.25.7,") + spacing + ",2\n";
    EXPECT_THROW(read_spacings(text, "spacing.csv", facts), InvalidInput) << spacing;
  }
}

}  // namespace
}  // namespace pulmo::pipeline
