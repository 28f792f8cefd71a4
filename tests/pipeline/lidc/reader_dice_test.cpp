#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/lidc/lidc_nodules.h"

namespace pulmo::pipeline {
namespace {

using ::testing::DoubleEq;
using ::testing::Eq;
using ::testing::Optional;

constexpr int kSide = 64;

/// A contour around the pixels x0 to x1, ten rows of them.
std::vector<cv::Point> around(int x0, int x1) {
  return {{x0 - 1, 9}, {x1 + 1, 9}, {x1 + 1, 20}, {x0 - 1, 20}};
}

ReaderMark mark_of(std::size_t reader, std::vector<PlacedRoi> rois) {
  ReaderMark mark;
  mark.reader = reader;
  mark.rois = std::move(rois);
  return mark;
}

std::optional<double> dice_of(std::vector<ReaderMark> marks) {
  Nodule nodule;
  nodule.marks = std::move(marks);
  return reader_dice(nodule, {kSide, kSide});
}

// Columns 11 to 20, 16 to 25 and 11 to 25 of ten pixels: A and B share five of ten, C holds both.
const PlacedRoi kA{0, true, around(11, 20)};
const PlacedRoi kB{0, true, around(16, 25)};
const PlacedRoi kC{0, true, around(11, 25)};

TEST(ReaderDice, OfTwoReadersIsThatOfTheirOutlines) {
  EXPECT_THAT(dice_of({mark_of(0, {kA}), mark_of(1, {kB})}), Optional(DoubleEq(0.5)));
  EXPECT_THAT(dice_of({mark_of(0, {kA}), mark_of(3, {kA})}), Optional(DoubleEq(1.0)));
}

TEST(ReaderDice, OfASingleReaderIsNone) {
  EXPECT_THAT(dice_of({mark_of(2, {kA})}), Eq(std::nullopt));
  EXPECT_THAT(dice_of({mark_of(2, {kA}), mark_of(2, {kB})}), Eq(std::nullopt));
}

TEST(ReaderDice, OfThreeComparesEachWithWhatEitherOfTheOthersOutlined) {
  // A with B or C, and B with A or C: 2 x 100 / (100 + 150). C with A or B: the same pixels.
  const auto dice = dice_of({mark_of(0, {kA}), mark_of(1, {kB}), mark_of(2, {kC})});
  EXPECT_THAT(dice, Optional(DoubleEq((0.8 + 0.8 + 1.0) / 3)));
}

TEST(ReaderDice, OfFourComparesEachWithWhatTwoOfTheOthersOutlined) {
  // A, twice, with two of the others: 0.8. B with 11 to 20: 0.5. C with 11 to 20: 0.8.
  const auto dice = dice_of({mark_of(0, {kA}), mark_of(1, {kB}), mark_of(2, {kC}), mark_of(3, {kA})});
  EXPECT_THAT(dice, Optional(DoubleEq((0.8 + 0.5 + 0.8 + 0.8) / 4)));
}

TEST(ReaderDice, TakesTheSlicesOfANoduleTogether) {
  // The second reader outlined 100 of the first one's 200 pixels, and nothing on the other slice.
  const PlacedRoi above{1, true, around(11, 20)};
  EXPECT_THAT(dice_of({mark_of(0, {kA, above}), mark_of(1, {kA})}), Optional(DoubleEq(200.0 / 300.0)));
}

TEST(ReaderDice, TakesTheMarksOfAReaderTogetherAndLeavesHolesOut) {
  const PlacedRoi hole{0, false, {{11, 10}, {15, 10}, {15, 19}, {11, 19}}};  // with its outline half of A
  EXPECT_THAT(dice_of({mark_of(0, {kA}), mark_of(0, {kB}), mark_of(1, {kC})}), Optional(DoubleEq(1.0)));
  EXPECT_THAT(dice_of({mark_of(0, {kA}), mark_of(1, {kA, hole})}), Optional(DoubleEq(100.0 / 150.0)));
}

TEST(ReaderDice, IsOfTheReadersForWhomThereIsSomethingToCompare) {
  const PlacedRoi line{0, true, {{11, 10}, {15, 10}}};  // encloses nothing
  EXPECT_THAT(dice_of({mark_of(0, {line}), mark_of(1, {line})}), Eq(std::nullopt));
  EXPECT_THAT(dice_of({mark_of(0, {kA}), mark_of(1, {line})}), Optional(DoubleEq(0.0)));
  // Nothing that two of three others outlined stands against the line; each of the others meets nothing.
  const PlacedRoi far{0, true, around(30, 35)};
  const PlacedRoi farther{0, true, around(40, 45)};
  EXPECT_THAT(dice_of({mark_of(0, {kA}), mark_of(1, {far}), mark_of(2, {farther}), mark_of(3, {line})}),
              Optional(DoubleEq(0.0)));
}

TEST(ReaderDice, ClipsOutlinesToTheImage) {
  const PlacedRoi outside{0, true, around(kSide - 5, kSide + 4)};  // of ten columns five are left
  const PlacedRoi inside{0, true, around(kSide - 5, kSide - 1)};
  EXPECT_THAT(dice_of({mark_of(0, {outside}), mark_of(1, {inside})}), Optional(DoubleEq(1.0)));
}

}  // namespace
}  // namespace pulmo::pipeline
