#include "pipeline/input/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/support/error.h"

namespace pulmo::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string problem_of(std::string_view text) {
  try {
    const CsvTable table(text, "t.csv");
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "csv");
    return error.what();
  }
  return "no problem";
}

TEST(Csv, ReadsQuotedFieldsWithCommasQuotesAndLineBreaks) {
  const CsvTable table("a,b\n\"x, y\",\"say \"\"hi\"\"\"\n\"two\nlines\",z\n", "t.csv");
  ASSERT_EQ(table.rows().size(), 2U);
  EXPECT_THAT(table.rows()[0].fields, ElementsAre("x, y", "say \"hi\""));
  EXPECT_THAT(table.rows()[1].fields, ElementsAre("two\nlines", "z"));
}

TEST(Csv, AcceptsByteOrderMarkCarriageReturnsEmptyLinesAndNoFinalNewline) {
  const CsvTable table("\xEF\xBB\xBFpath,label\r\n\r\nx,\r\n,y", "t.csv");
  EXPECT_THAT(table.columns(), ElementsAre("path", "label"));
  ASSERT_EQ(table.rows().size(), 2U);
  EXPECT_THAT(table.rows()[0].fields, ElementsAre("x", ""));
  EXPECT_THAT(table.rows()[1].fields, ElementsAre("", "y"));
  EXPECT_EQ(table.rows()[1].line, 4U);
}

TEST(Csv, ReadsAnEmptyLastFieldAtTheEndOfTheFile) {
  const CsvTable table("a,b\n1,", "t.csv");
  EXPECT_THAT(table.rows()[0].fields, ElementsAre("1", ""));
}

TEST(Csv, NamesTheLineOfAnUnclosedQuote) {
  EXPECT_THAT(problem_of("a\n1\n\"x\ny\n"), HasSubstr("t.csv:3"));
}

TEST(Csv, RefusesAQuoteInsideAnUnquotedField) {
  EXPECT_THAT(problem_of("a\nx\"y\n"), HasSubstr("t.csv:2: a quote"));
}

TEST(Csv, RefusesTextAfterAClosingQuote) {
  EXPECT_THAT(problem_of("a\n\"x\"y\n"), HasSubstr("after a closing quote"));
}

TEST(Csv, RefusesARowOfAnotherLength) {
  EXPECT_THAT(problem_of("a,b\n1,2\n3\n"), HasSubstr("t.csv:3: 1 fields"));
}

TEST(Csv, RefusesAnEmptyFile) {
  EXPECT_THAT(problem_of(""), HasSubstr("empty"));
}

TEST(Csv, RefusesAColumnThatOccursTwice) {
  EXPECT_THAT(problem_of("a,a\n"), HasSubstr("'a' occurs twice"));
}

TEST(Csv, ListsTheColumnsWhenOneIsMissing) {
  const CsvTable table("path,class\n", "t.csv");
  try {
    table.require("label");
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_THAT(error.what(), HasSubstr("'label' is missing; columns there: path, class"));
  }
}

TEST(Csv, FieldsThatAreWrittenReadBackTheSame) {
  const std::vector<std::string> values{"plain", "a,b", "\"q\"", "line\nbreak", ""};
  std::string text = "1,2,3,4,5\n";
  for (const std::string& value : values) text += csv_field(value) + (&value == &values.back() ? "\n" : ",");
  EXPECT_EQ(CsvTable(text, "t.csv").rows().at(0).fields, values);
}

}  // namespace
}  // namespace pulmo::pipeline
