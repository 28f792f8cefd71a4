#include "training/ensemble.h"

#include <gmock/gmock.h>

#include "core/support/error.h"

namespace pulmo::training {
namespace {

using ::testing::ElementsAre;

const ClassList kClasses{{"benign", "malignant"}, 1};

/// A row's scores of six nodules, each of one patient and one slice; the last three are malignant.
Candidate candidate(const std::string& row, const std::vector<double>& scores) {
  Candidate made{row, {}};
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const std::string name = std::to_string(i);
    made.validation.push_back({name, name, name, i < 3 ? 0 : 1, {1.0 - scores[i], scores[i]}});
  }
  return made;
}

TEST(ChooseMembers, TakesThoseWhoseMeanIsBestOnValidationTheBestLast) {
  // a ranks 8 of 9 pairs rightly, b and c 7; a and b err on different nodules, and their mean on none.
  const Candidate a = candidate("a", {0.1, 0.2, 0.6, 0.5, 0.8, 0.9});
  const Candidate b = candidate("b", {0.5, 0.1, 0.1, 0.7, 0.2, 0.4});
  const Candidate useless = candidate("c", {0.9, 0.9, 0.9, 0.1, 0.1, 0.1});
  EXPECT_THAT(choose_members({useless, b, a}, kClasses), ElementsAre("b", "a"));
}

TEST(ChooseMembers, TakesTheFewestOnATie) {
  const Candidate good = candidate("good", {0.1, 0.2, 0.3, 0.7, 0.8, 0.9});
  const Candidate same = candidate("same", {0.1, 0.2, 0.3, 0.7, 0.8, 0.9});
  EXPECT_EQ(choose_members({good, same, same}, kClasses).size(), 2U);
}

TEST(ChooseMembers, CountsNodulesNotSlices) {
  // On slices the second row is better, on nodules the first: its one bad nodule has many slices.
  Candidate nodules = candidate("nodules", {0.1, 0.2, 0.3, 0.7, 0.8, 0.9});
  Candidate slices = candidate("slices", {0.1, 0.2, 0.75, 0.7, 0.8, 0.9});
  for (int i = 0; i < 50; ++i) {
    Prediction one = nodules.validation[3];
    one.probabilities = {1.0, i % 2 == 0 ? 0.2 : 0.8};
    nodules.validation.push_back(one);
    one = slices.validation[3];
    slices.validation.push_back(one);
  }
  EXPECT_EQ(choose_members({nodules, slices}, kClasses).back(), "nodules");
}

TEST(ChooseMembers, NeedsTwoRowsOnTheSameSamples) {
  const Candidate one = candidate("one", {0.1, 0.2, 0.3, 0.7, 0.8, 0.9});
  EXPECT_THROW(choose_members({one}, kClasses), InvalidInput);
  EXPECT_THROW(choose_members({one, candidate("short", {0.1, 0.2, 0.3, 0.7})}, kClasses), InvalidInput);
}

}  // namespace
}  // namespace pulmo::training
