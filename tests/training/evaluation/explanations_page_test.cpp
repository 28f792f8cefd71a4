// What comparison.html shows of how rows decide.
#include <gmock/gmock.h>

#include <cmath>
#include <regex>
#include <set>

#include "tests/training/evaluation/random_predictions.h"
#include "tests/training/evaluation/some_faithfulness.h"
#include "training/evaluation/comparison.h"

namespace pulmo::training {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ComparedRow make_row(const std::string& name) {
  RunFacts facts;
  facts.row = name;
  facts.classes = {{"benign", "malignant"}, 1};
  facts.bootstrap = {30, 0.95, 9};
  const auto test = testing::random_predictions({.seed = 21});
  return {make_report(facts, {{"test", test}}), test, std::nullopt};
}

Comparison make_comparison() {
  Comparison comparison;
  comparison.reference = "proposed_cnn";
  comparison.classes = {{"benign", "malignant"}, 1};
  comparison.bootstrap = {30, 0.95, 9};
  for (const char* row : {"slice_attention", "proposed_cnn"}) comparison.rows.push_back(make_row(row));
  add_paired_tests(comparison);
  return comparison;
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// With hand-made weights: those of each case, 0.1 0.2 0.3 0.4, sum to 1.
Comparison attended() {
  Comparison comparison = make_comparison();
  ComparedRow& row = comparison.rows[0];
  row.attention = attention_cases(row.test, row.report.facts);
  for (AttentionCase& one : row.attention) {
    for (const double weight : {0.1, 0.2, 0.3, 0.4}) one.slices.push_back({weight, "data:image/png;base64,AAAA"});
  }
  return comparison;
}

TEST(AttentionCases, AreTheMostCertainAndTheMostWrongGroupsEachOnce) {
  const ComparedRow row = make_row("slice_attention");
  const auto cases = attention_cases(row.test, row.report.facts);
  ASSERT_EQ(cases.size(), 6U);
  std::set<std::pair<std::string, std::string>> groups;
  double surest = 0.0;
  for (const Prediction& one : row.test) {
    if (one.label == 1) surest = std::max(surest, one.probabilities[1]);
  }
  EXPECT_EQ(cases[0].probability, surest);
  const std::vector<int> labels = {1, 1, 0};
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Prediction& sample = row.test[cases[i].index];
    EXPECT_TRUE(groups.emplace(sample.patient, sample.group).second);
    EXPECT_EQ(cases[i].label, sample.label);
    EXPECT_EQ(cases[i].probability, sample.probabilities[static_cast<std::size_t>(sample.label)]);
    EXPECT_EQ(cases[i].decision == cases[i].label, i < 3) << i;
    if (i < 3) {
      EXPECT_EQ(cases[i].label, labels[i]);
    }
  }
  EXPECT_EQ(cases[3].index, wrong_cases(row.test, row.report.facts, 1)[0].index);
}

TEST(AttentionCases, AreFewerWhereNothingIsWrong) {
  ComparedRow row = make_row("slice_attention");
  for (Prediction& one : row.test) one.probabilities = {one.label == 0 ? 0.9 : 0.1, one.label == 0 ? 0.1 : 0.9};
  EXPECT_EQ(attention_cases(row.test, row.report.facts).size(), 3U);
  EXPECT_TRUE(attention_cases({}, row.report.facts).empty());
}

TEST(ExplanationsPage, ShowsEverySliceWithItsWeight) {
  const std::string page = comparison_html(attended());
  EXPECT_THAT(page, HasSubstr("<h2>Attention over slices</h2>"));
  EXPECT_EQ(count_of(page, "src=\"data:image/png;base64,AAAA\""), 6U * 4U);
  EXPECT_THAT(page, HasSubstr("alt=\"Slice 4 of 4\""));
  EXPECT_THAT(page, HasSubstr("<b>malignant</b><span>decided rightly, p(truth) "));
  EXPECT_THAT(page, HasSubstr("taken for "));
  const std::regex shown("<i style=\"width:([0-9.]+)%\"></i>([0-9.]+)</span>");
  double bars = 0.0, weights = 0.0;
  for (std::sregex_iterator at(page.begin(), page.end(), shown), end; at != end; ++at) {
    bars += std::stod((*at)[1]);
    weights += std::stod((*at)[2]);
  }
  EXPECT_NEAR(weights, 6.0, 1e-9);
  EXPECT_NEAR(bars, 600.0, 1e-9);
}

TEST(ExplanationsPage, ShowsTheFiguresOfTheFileAndItsCurves) {
  Comparison comparison = make_comparison();
  comparison.rows[1].faithfulness = testing::some_faithfulness();
  const std::string page = comparison_html(comparison);
  EXPECT_THAT(page, HasSubstr("Do explanations say what the model does"));
  EXPECT_THAT(page, HasSubstr("4 of 9 test samples of fold 2 of 5, 3 patients"));
  for (const char* cell :
       {"<td>grad_cam</td><td>0.300<small>", "<td>0.700<small>", "<td>-0.100<small>", "<td>0.600<small>",
        "<td>random</td><td>0.600<small>", "<td>centre</td><td>0.400<small>", "<td>reference</td>"}) {
    EXPECT_THAT(page, HasSubstr(cell));
  }
  for (const char* label : {"aria-label=\"Deletion\"", "aria-label=\"Insertion\"", "area 0.300", "area 0.700"}) {
    EXPECT_THAT(page, HasSubstr(label));
  }
  EXPECT_EQ(count_of(page, "class=\"series strong\" style=\"--c:var(--s0)\" points=\"54.00,34.00 "), 1U);
  EXPECT_EQ(count_of(page, "class=\"series faint\""), 4U);

  comparison.rows[1].faithfulness->curves.clear();
  const std::string without = comparison_html(comparison);
  EXPECT_THAT(without, HasSubstr("<td>grad_cam</td><td>0.300<small>"));
  EXPECT_THAT(without, Not(HasSubstr("aria-label=\"Deletion\"")));
}

TEST(ExplanationsPage, LeavesOutWhatThereIsNot) {
  const std::string page = comparison_html(make_comparison());
  EXPECT_THAT(page, Not(HasSubstr("Attention over slices</h2>")));
  EXPECT_THAT(page, Not(HasSubstr("Do explanations")));
}

TEST(ExplanationsPage, StandsAloneAndNamesNoPatient) {
  Comparison comparison = attended();
  comparison.rows[1].faithfulness = testing::some_faithfulness();
  comparison.rows[1].faithfulness->methods[0].name = "<map>";
  for (ComparedRow& row : comparison.rows) {
    for (Prediction& one : row.test) one.patient = "PATIENT-" + one.patient, one.group = "GROUP-" + one.group;
  }
  const std::string page = comparison_html(comparison);
  for (const char* never : {"PATIENT-", "GROUP-", "<script", "href=", "://", "<map>", ".json", ".pt"}) {
    EXPECT_THAT(page, Not(HasSubstr(never)));
  }
  EXPECT_THAT(page, HasSubstr("&lt;map&gt;"));
}

}  // namespace
}  // namespace pulmo::training
