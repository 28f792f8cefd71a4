#include "training/augment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <vector>

namespace pulmo::training {
namespace {

using Grey = std::vector<std::uint16_t>;

// 0 1 2
// 3 4 5
// 6 7 8
const Grey kSquare = {0, 1, 2, 3, 4, 5, 6, 7, 8};

Grey apply(const Grey& pixels, const PlaneSize& size, const Transform& transform) {
  std::vector<float> out(pixels.size());
  transform_to_float(pixels, size, transform, out);
  Grey result;
  for (const float value : out) result.push_back(static_cast<std::uint16_t>(value * 65535.0F + 0.5F));
  return result;
}

Grey apply(const Transform& transform) {
  return apply(kSquare, {1, 3, 3}, transform);
}

TEST(Augment, IdentityOnlyScalesToTheUnitInterval) {
  std::vector<float> out(2);
  transform_to_float(Grey{0, 65535}, {1, 1, 2}, {}, out);
  EXPECT_EQ(out, (std::vector<float>{0.0F, 1.0F}));
}

TEST(Augment, FlipsAndTurnsMoveEveryPixelToItsPlace) {
  EXPECT_EQ(apply({.flip_columns = true}), (Grey{2, 1, 0, 5, 4, 3, 8, 7, 6}));
  EXPECT_EQ(apply({.flip_rows = true}), (Grey{6, 7, 8, 3, 4, 5, 0, 1, 2}));
  EXPECT_EQ(apply({.transpose = true}), (Grey{0, 3, 6, 1, 4, 7, 2, 5, 8}));
  const Grey turned = apply({.transpose = true, .flip_rows = true});  // a quarter turn clockwise
  EXPECT_EQ(turned, (Grey{6, 3, 0, 7, 4, 1, 8, 5, 2}));
}

TEST(Augment, ShiftRepeatsTheEdge) {
  EXPECT_EQ(apply({.shift_columns = 1}), (Grey{1, 2, 2, 4, 5, 5, 7, 8, 8}));
  EXPECT_EQ(apply({.shift_rows = -2}), (Grey{0, 1, 2, 0, 1, 2, 0, 1, 2}));
}

TEST(Augment, ChannelsAreTransformedAlike) {
  const Grey two = {0, 1, 2, 3, 10, 11, 12, 13};
  EXPECT_EQ(apply(two, {2, 2, 2}, {.flip_columns = true}), (Grey{1, 0, 3, 2, 11, 10, 13, 12}));
}

TEST(Augment, NothingAskedForIsTheIdentity) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) EXPECT_EQ(draw_transform({}, seed), Transform{});
}

// The symmetries of the square: 4 turns times a flip. Each must come up, about equally often.
TEST(Augment, FlipsAndTurnsReachAllEightSymmetriesEvenly) {
  std::vector<Grey> seen;
  for (std::uint64_t seed = 0; seed < 8000; ++seed) {
    seen.push_back(apply(draw_transform({.flips = true, .quarter_turns = true}, seed)));
  }
  const std::set<Grey> distinct(seen.begin(), seen.end());
  EXPECT_EQ(distinct.size(), 8U);
  for (const Grey& one : distinct)
    EXPECT_NEAR(static_cast<double>(std::count(seen.begin(), seen.end(), one)), 1000, 150);
}

TEST(Augment, QuarterTurnsAloneNeverMirror) {
  const std::set<Grey> rotations = {
      kSquare, {6, 3, 0, 7, 4, 1, 8, 5, 2}, {8, 7, 6, 5, 4, 3, 2, 1, 0}, {2, 5, 8, 1, 4, 7, 0, 3, 6}};
  std::set<Grey> seen;
  for (std::uint64_t seed = 0; seed < 200; ++seed) seen.insert(apply(draw_transform({.quarter_turns = true}, seed)));
  EXPECT_EQ(seen, rotations);
}

TEST(Augment, ShiftsStayInTheirRangeAndReachItsEnds) {
  std::set<int> rows;
  for (std::uint64_t seed = 0; seed < 300; ++seed) rows.insert(draw_transform({.shift_px = 2}, seed).shift_rows);
  EXPECT_EQ(rows, (std::set<int>{-2, -1, 0, 1, 2}));
}

}  // namespace
}  // namespace pulmo::training
