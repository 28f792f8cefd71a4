#include "pipeline/run/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/support/error.h"
#include "pipeline/run/progress.h"

namespace pulmo::pipeline {
namespace {

using ::testing::ElementsAre;

TEST(Tally, KeepsTheFirstExamplesAndAllCounts) {
  Tally tally;
  for (int i = 0; i < 25; ++i) tally.add("broken", std::to_string(i));
  EXPECT_EQ(tally.count("broken"), 25);
  EXPECT_EQ(tally.entries().at("broken").examples.size(), Tally::kExamples);
  EXPECT_EQ(tally.entries().at("broken").examples.back(), "9");
  EXPECT_EQ(tally.count("unheard of"), 0);
}

TEST(Tally, MergesByAddition) {
  Tally a;
  a.add("x", "first");
  a.add("y");
  Tally b;
  b.add("x", "second", 3);
  a.merge(b);
  EXPECT_EQ(a.count("x"), 4);
  EXPECT_EQ(a.total(), 5);
  EXPECT_THAT(a.entries().at("x").examples, ElementsAre("first", "second"));
}

TEST(Ledger, ThrowsTheFirstProblemWhenStrictButNoNote) {
  Ledger ledger(true);
  ledger.note("gap", "a gap");
  ledger.left_out(Scope::kSlices, "near_mark", 4);
  try {
    ledger.problem("not_dicom", "x is none");
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "not_dicom");
  }
  EXPECT_EQ(ledger.left_out(Scope::kSlices).count("near_mark"), 4);
  EXPECT_EQ(ledger.left_out(Scope::kFiles).total(), 0);
}

TEST(Progress, SaysDurationsAtAGlance) {
  EXPECT_EQ(Progress::duration(0.4), "0s");
  EXPECT_EQ(Progress::duration(59.6), "1m00s");
  EXPECT_EQ(Progress::duration(200), "3m20s");
  EXPECT_EQ(Progress::duration(3720), "1h02m");
}

}  // namespace
}  // namespace pulmo::pipeline
