#include "pipeline/phantom/lesion.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <opencv2/core.hpp>
#include <vector>

namespace pulmo::pipeline::phantom {
namespace {

std::vector<Lesion> many(LesionKind kind) {
  std::vector<Lesion> lesions;
  Random random(11);
  for (int i = 0; i < 200; ++i) lesions.push_back(make_lesion(kind, random));
  return lesions;
}

TEST(Lesion, DiameterIsThatOfTheBallOfTheSameVolume) {
  Lesion lesion;
  lesion.radius_mm = 5.0;
  EXPECT_NEAR(lesion.diameter_mm(), 10.0, 1e-9);
  lesion.stretch = {2.0, 1.0, 0.5};  // an ellipsoid of the same volume
  EXPECT_NEAR(lesion.diameter_mm(), 10.0, 0.1);
}

TEST(Lesion, BumpsRaiseTheSurfaceWhereTheyStand) {
  Lesion lesion;
  lesion.radius_mm = 10.0;
  lesion.bumps = {{{1, 0, 0}, 0.2, 8.0}};
  EXPECT_NEAR(lesion.surface_mm({1, 0, 0}), 12.0, 1e-9);
  EXPECT_NEAR(lesion.surface_mm({-1, 0, 0}), 10.0, 1e-3);
  EXPECT_NEAR(lesion.surface_mm({-1, 0, 0}, {{{-1, 0, 0}, 0.1, 8.0}}), 11.0, 1e-3);
}

TEST(Lesion, BenignNodulesAreSmallAndSomeAreCalcified) {
  const std::vector<Lesion> lesions = many(LesionKind::kBenign);
  int calcified = 0;
  for (const Lesion& lesion : lesions) {
    EXPECT_GE(lesion.diameter_mm(), 4.0);
    EXPECT_LE(lesion.diameter_mm(), 9.1);
    EXPECT_TRUE(lesion.streaks.empty());
    if (lesion.calcified_share > 0.0) {
      ++calcified;
      EXPECT_GE(lesion.calcified_hu, 200.0);
    }
  }
  EXPECT_GT(calcified, 40);
  EXPECT_LT(calcified, 110);
}

TEST(Lesion, MalignantNodulesAreLargeAndMostlySpiculated) {
  std::vector<double> diameters;
  int spiculated = 0;
  for (const Lesion& lesion : many(LesionKind::kMalignant)) {
    diameters.push_back(lesion.diameter_mm());
    spiculated += lesion.streaks.size() > 10 ? 1 : 0;
  }
  std::sort(diameters.begin(), diameters.end());
  EXPECT_GE(diameters.front(), 10.0);
  EXPECT_LE(diameters.back(), 28.0);
  EXPECT_NEAR(diameters[100], 20.0, 1.5);
  EXPECT_GT(spiculated, 130);
}

TEST(Lesion, ReachHoldsTheSurfaceAndTheStreaks) {
  Random random(3);
  for (const LesionKind kind : {LesionKind::kMalignant, LesionKind::kIndeterminate, LesionKind::kScar}) {
    Lesion lesion = make_lesion(kind, random);
    move_to(lesion, {30, -10, -80});
    for (int i = 0; i < 200 && lesion.radius_mm > 0.0; ++i) {
      EXPECT_LE(lesion.surface_mm(random_direction(random)), lesion.reach_mm());
    }
    for (const Capsule& streak : lesion.streaks) EXPECT_LE(cv::norm(streak.b - lesion.centre), lesion.reach_mm());
  }
}

TEST(Lesion, SmallNodulesAreBelowThreeMillimetres) {
  for (const Lesion& lesion : many(LesionKind::kSmall)) EXPECT_LT(lesion.diameter_mm(), 3.0);
}

}  // namespace
}  // namespace pulmo::pipeline::phantom
