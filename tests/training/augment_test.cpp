#include "training/augment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
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

TEST(Augment, SlicesOfAVolumeAreTransformedAlikeAndFlippedHeadToFoot) {
  const PlaneSize size{2, 1, 2, 3};
  const Grey volume = {0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15};
  EXPECT_EQ(apply(volume, size, {.flip_columns = true}), (Grey{1, 0, 3, 2, 5, 4, 11, 10, 13, 12, 15, 14}));
  EXPECT_EQ(apply(volume, size, {.flip_slices = true}), (Grey{4, 5, 2, 3, 0, 1, 14, 15, 12, 13, 10, 11}));
}

TEST(Augment, HalfOfTheVolumesAreFlippedHeadToFoot) {
  int flipped = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) flipped += draw_transform({.flips = true}, seed).flip_slices;
  EXPECT_NEAR(flipped, 500, 60);
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

std::vector<float> values_of(const Grey& pixels, const PlaneSize& size, const Transform& transform) {
  std::vector<float> out(pixels.size());
  transform_to_float(pixels, size, transform, out);
  return out;
}

TEST(Augment, EnlargingSpreadsTheMiddle) {
  // One row of five, twice as large: places 1, 1.5, 2, 2.5, 3 of the original.
  const Grey line = {0, 10000, 30000, 50000, 60000};
  EXPECT_EQ(apply(line, {1, 1, 5}, {.scale = 2.0}), (Grey{10000, 20000, 30000, 40000, 50000}));
}

TEST(Augment, ShrinkingRepeatsTheEdge) {
  const Grey line = {10000, 20000, 30000, 40000, 60000};
  EXPECT_EQ(apply(line, {1, 1, 5}, {.scale = 0.5}), (Grey{10000, 10000, 30000, 60000, 60000}));
}

TEST(Augment, ScalesWhatItTurns) {
  const Transform plain{.scale = 1.7};
  Transform turned = plain;
  turned.transpose = true;
  Grey tall(16), wide(16);
  for (std::size_t y = 0; y < 4; ++y) {
    for (std::size_t x = 0; x < 4; ++x) {
      tall[4 * y + x] = static_cast<std::uint16_t>(4000 * y + 300 * x * x);
      wide[4 * x + y] = tall[4 * y + x];
    }
  }
  EXPECT_EQ(apply(tall, {1, 4, 4}, turned), apply(wide, {1, 4, 4}, plain));
}

TEST(Augment, AQuarterTurnByAngleIsTheQuarterTurn) {
  const Transform by_angle{.angle = std::numbers::pi / 2};
  EXPECT_EQ(apply(kSquare, {1, 3, 3}, by_angle), apply({.transpose = true, .flip_rows = true}));
}

TEST(Augment, TurnsAboutTheMiddleBetweenPixels) {
  // scipy.ndimage.map_coordinates(order=1, mode="nearest") at the same places, 30 degrees clockwise.
  const Grey square = {0, 9000, 18000, 27000, 36000, 45000, 54000, 63000, 65535};
  EXPECT_EQ(apply(square, {1, 3, 3}, {.angle = std::numbers::pi / 6}),
            (Grey{17117, 8117, 12294, 41706, 36000, 30294, 59706, 61083, 52516}));
}

TEST(Augment, ChangesOfIntensityKeepWhatIsMaskedAndTheUnitInterval) {
  const Transform transform{.gain = 1.5, .offset = 0.1};
  const std::vector<float> values = values_of({0, 13107, 65535}, {1, 1, 3}, transform);
  EXPECT_EQ(values[0], 0.0F);
  EXPECT_NEAR(values[1], 0.2 * 1.5 + 0.1, 1e-6);
  EXPECT_EQ(values[2], 1.0F);
}

TEST(Augment, NoiseHasItsDeviationAndRepeatsBySeed) {
  const Transform transform{.noise = 0.05, .noise_seed = 7};
  const Grey grey(10000, 32768);
  const std::vector<float> values = values_of(grey, {1, 100, 100}, transform);
  double sum = 0.0, squares = 0.0;
  for (const float value : values) {
    sum += value;
    squares += (value - 0.5) * (value - 0.5);
  }
  EXPECT_NEAR(sum / 10000.0, 0.5, 0.002);
  EXPECT_NEAR(std::sqrt(squares / 10000.0), 0.05, 0.002);
  EXPECT_EQ(values, values_of(grey, {1, 100, 100}, transform));
}

TEST(Augment, DrawsStayInTheirRanges) {
  double widest = 0.0, largest = 0.0, smallest = 10.0, brightest = 0.0, noisiest = 0.0;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    const Transform drawn = draw_transform({.scale = 0.25, .rotation = 20, .intensity = 0.2, .noise = 0.03}, seed);
    widest = std::max(widest, std::abs(drawn.angle) * 180.0 / std::numbers::pi);
    largest = std::max(largest, drawn.scale);
    smallest = std::min(smallest, drawn.scale);
    brightest = std::max({brightest, std::abs(drawn.gain - 1.0), 2.0 * std::abs(drawn.offset)});
    noisiest = std::max(noisiest, drawn.noise);
  }
  EXPECT_TRUE(widest > 19.0 && widest <= 20.0) << widest;
  EXPECT_TRUE(largest > 1.2 && largest <= 1.25) << largest;
  EXPECT_TRUE(smallest < 1.0 / 1.2 && smallest >= 0.8) << smallest;
  EXPECT_TRUE(brightest > 0.19 && brightest <= 0.2) << brightest;
  EXPECT_TRUE(noisiest > 0.028 && noisiest <= 0.03) << noisiest;
}

TEST(Augment, ShiftsStayInTheirRangeAndReachItsEnds) {
  std::set<int> rows;
  for (std::uint64_t seed = 0; seed < 300; ++seed) rows.insert(draw_transform({.shift_px = 2}, seed).shift_rows);
  EXPECT_EQ(rows, (std::set<int>{-2, -1, 0, 1, 2}));
}

}  // namespace
}  // namespace pulmo::training
