#include "serving/drift.h"

#include <gmock/gmock.h>

#include <cmath>
#include <thread>

#include "serving/unusual.h"

namespace pulmo::serving {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

BinnedDistribution two_bins() {
  return {0.1, 0.9, {0.5}, {50, 50}};
}

TEST(DriftWindow, SaysNothingBeforeEnoughValuesHaveCome) {
  DriftWindow window(two_bins(), {.window = 4, .least = 3});
  window.add(0.2);
  window.add(0.7);
  EXPECT_TRUE(std::isnan(window.stability_index()));
  window.add(0.7);
  // NumPy: p = [.5, .5], q = [1/3, 2/3]; sum((q - p) * log(q / p))
  EXPECT_NEAR(window.stability_index(), 0.11552453009332421, 1e-15);
}

TEST(DriftWindow, ForgetsWhatIsOlderThanItself) {
  DriftWindow window(two_bins(), {.window = 4, .least = 1});
  for (int i = 0; i < 100; ++i) window.add(0.9);
  for (const double value : {0.1, 0.9, 0.2, 0.8}) window.add(value);
  EXPECT_EQ(window.size(), 4U);
  EXPECT_EQ(window.stability_index(), 0.0);
  window.add(0.8);  // in the place of a low one
  // NumPy: q = [.25, .75]
  EXPECT_NEAR(window.stability_index(), 0.27465307216702745, 1e-15);
}

TEST(DriftWindow, CountsEachValueOfSeveralThreads) {
  DriftWindow window(two_bins(), {.window = 4000, .least = 1});
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&window, t] {
        for (int i = 0; i < 1000; ++i) window.add(t % 2 == 0 ? 0.2 : 0.8);
      });
    }
  }
  EXPECT_EQ(window.size(), 4000U);
  EXPECT_EQ(window.stability_index(), 0.0);
}

TEST(UnusualInput, NamesWhatLiesOutsideOfAllValidationSamples) {
  const ReferenceStatistics reference{{0.05, 0.4, {}, {9}}, {0.1, 0.3, {}, {9}}, {0.0, 1.0, {}, {9}}};
  EXPECT_THAT(unusual_input(reference, {0.05, 0.3}), IsEmpty());
  EXPECT_THAT(unusual_input(reference, {0.62, 0.2}),
              ElementsAre(AllOf(HasSubstr("share of lung: 0.62"), HasSubstr("0.05 to 0.4"))));
  EXPECT_THAT(unusual_input(reference, {0.2, 0.05}), ElementsAre(HasSubstr("mean brightness: 0.05")));
  EXPECT_THAT(unusual_input(std::nullopt, {0.62, 0.9}), IsEmpty());
}

}  // namespace
}  // namespace pulmo::serving
