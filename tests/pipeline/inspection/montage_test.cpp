#include "pipeline/inspection/montage.h"

#include <gmock/gmock.h>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "core/support/bytes.h"
#include "core/support/error.h"
#include "tests/pipeline/inspection/hand_made_folder.h"
#include "tests/support/temp_dir.h"

namespace pulmo::pipeline {
namespace {

using ::testing::ElementsAre;
using testing::HandMadeFolder;
using ::testing::HasSubstr;
using testing::TempDir;
using ::testing::ThrowsMessage;

constexpr int kTitleHeight = 72;  // the legend shows the colours too
const cv::Vec3b kCyan(230, 200, 40), kYellow(60, 220, 255), kRed(70, 70, 255);

// One class, one sample of 64 x 64, black with a white frame of one pixel; lungs in columns 8-55 and rows 12-51; two of
// four readers marked columns 20-29 and rows 24-35, one more the column 30.
HandMadeFolder framed_folder() {
  HandMadeFolder folder;
  folder.shape = {1, 0, 64, 64};
  folder.class_names = {"malignant"};
  Sample sample = folder.sample("p", 0, 0);
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      const auto at = static_cast<std::size_t>(64 * y + x);
      const bool frame = x == 0 || y == 0 || x == 63 || y == 63;
      sample.image[at] = frame ? 65535 : 0;
      sample.lungs[at] = x >= 8 && x <= 55 && y >= 12 && y <= 51 ? 1 : 0;
      const bool rows = y >= 24 && y <= 35;
      sample.nodules[at] = rows && x >= 20 && x <= 29 ? 3 : rows && x == 30 ? 1 : 0;
    }
  }
  folder.samples[Split::kTrain] = {sample};
  return folder;
}

// The smallest rectangle around the pixels near a colour, below the title.
cv::Rect box_of(const cv::Mat& picture, const cv::Vec3b& colour) {
  cv::Mat below = picture.rowRange(kTitleHeight, picture.rows);
  const cv::Scalar low(colour[0] - 25.0, colour[1] - 25.0, colour[2] - 25.0);
  const cv::Scalar high(colour[0] + 25.0, colour[1] + 25.0, colour[2] + 25.0);
  cv::Mat near;
  cv::inRange(below, low, high, near);
  return cv::boundingRect(near);
}

cv::Mat montage_of(const HandMadeFolder& folder, const MontageOptions& options) {
  const TempDir dir;
  folder.write(dir.path());
  write_montage(dir.path(), options, dir / "montage.png");
  return cv::imread((dir / "montage.png").string());
}

void expect_near(const cv::Rect& actual, const cv::Rect& expected) {
  EXPECT_NEAR(actual.x, expected.x, 1) << actual;
  EXPECT_NEAR(actual.y, expected.y, 1) << actual;
  EXPECT_NEAR(actual.br().x, expected.br().x, 1) << actual;
  EXPECT_NEAR(actual.br().y, expected.br().y, 1) << actual;
}

TEST(Montage, OutlinesLieAroundTheMasks) {
  MontageOptions options;
  options.columns = 2;
  options.tile_px = 256;  // four pixels for one of the mask
  const cv::Mat montage = montage_of(framed_folder(), options);
  cv::Mat bright;
  cv::inRange(montage(cv::Rect(0, kTitleHeight + 36, 8 + 256, 256)), cv::Scalar(250, 250, 250),
              cv::Scalar(255, 255, 255), bright);
  const cv::Rect tile = cv::boundingRect(bright) + cv::Point(0, 36);  // below the title, as box_of() counts
  ASSERT_EQ(tile.size(), cv::Size(256, 256));
  expect_near(box_of(montage, kCyan), cv::Rect(tile.tl() + cv::Point(4 * 8, 4 * 12), cv::Size(4 * 48, 4 * 40)));
  expect_near(box_of(montage, kRed), cv::Rect(tile.tl() + cv::Point(4 * 20, 4 * 24), cv::Size(4 * 10, 4 * 12)));
  // The yellow line is hidden by the red one but for the column that one reader alone marked.
  EXPECT_NEAR(box_of(montage, kYellow).br().x, tile.x + 4 * 31, 1);
}

TEST(Montage, OutlinesCanBeSwitchedOff) {
  MontageOptions options;
  options.outlines = false;
  const cv::Mat montage = montage_of(framed_folder(), options);
  EXPECT_EQ(box_of(montage, kCyan).area(), 0);
  EXPECT_EQ(box_of(montage, kRed).area(), 0);
}

TEST(Montage, AFolderWithoutMasksHasNoOutlines) {
  HandMadeFolder folder = framed_folder();
  folder.lungs = folder.nodules = false;
  folder.samples[Split::kTrain][0].lungs.clear();
  folder.samples[Split::kTrain][0].nodules.clear();
  EXPECT_EQ(box_of(montage_of(folder, {}), kCyan).area(), 0);
}

TEST(Montage, ShowsThePixelsOfTheShard) {
  HandMadeFolder folder = framed_folder();
  folder.shape = {1, 0, 64, 64};
  Sample& sample = folder.samples[Split::kTrain][0];
  for (std::size_t i = 0; i < sample.image.size(); ++i) sample.image[i] = static_cast<std::uint16_t>(257 * (i % 251));
  MontageOptions options;
  options.outlines = false;
  options.tile_px = 64;  // pixel for pixel
  const cv::Mat montage = montage_of(folder, options);
  cv::Mat expected(64, 64, CV_8UC3);
  for (int i = 0; i < 64 * 64; ++i)
    expected.at<cv::Vec3b>(i / 64, i % 64) = cv::Vec3b::all(static_cast<uchar>(i % 251));
  cv::Mat scores;
  cv::matchTemplate(montage, expected, scores, cv::TM_SQDIFF);
  double best = 1.0;
  cv::minMaxLoc(scores, &best);
  EXPECT_EQ(best, 0.0);
}

TEST(Montage, AVolumeIsShownByTheSliceThatHoldsTheNodule) {
  HandMadeFolder folder;
  folder.shape = {1, 4, 16, 16};
  folder.class_names = {"malignant"};
  Sample sample = folder.sample("p", 0, 0);
  std::fill(sample.image.begin(), sample.image.end(), std::uint16_t{0});
  std::fill(sample.image.begin() + 3 * 256, sample.image.end(), std::uint16_t{65535});
  sample.nodules[3 * 256 + 100] = 1;
  folder.samples[Split::kTest] = {sample};
  MontageOptions options;
  options.outlines = false;
  cv::Mat white;
  cv::inRange(montage_of(folder, options), cv::Scalar::all(255), cv::Scalar::all(255), white);
  EXPECT_EQ(cv::boundingRect(white).size(), cv::Size(224, 224));
}

TEST(Montage, IsTheSameEachTimeAndChangesWithTheSeed) {
  const TempDir dir;
  HandMadeFolder folder = testing::small_folder();
  for (int i = 0; i < 20; ++i) folder.samples[Split::kTrain].push_back(folder.sample("SECRET-2", 1, 5000 * (i % 13)));
  folder.write(dir.path());
  MontageOptions options;
  options.samples_per_class = 5;
  write_montage(dir.path(), options, dir / "a.png");
  write_montage(dir.path(), options, dir / "b.png");
  options.seed = 2;
  write_montage(dir.path(), options, dir / "c.png");
  EXPECT_EQ(read_text_file(dir / "a.png"), read_text_file(dir / "b.png"));
  EXPECT_NE(read_text_file(dir / "a.png"), read_text_file(dir / "c.png"));
}

TEST(Montage, GrowsWithClassesAndRows) {
  MontageOptions options;
  options.columns = 2;
  options.tile_px = 64;
  const cv::Mat montage = montage_of(testing::small_folder(), options);  // 2 classes of 4 samples: 4 rows of tiles
  EXPECT_EQ(montage.cols, 8 + 2 * (64 + 8));
  EXPECT_GE(montage.rows, kTitleHeight + 4 * 64);
  options.samples_per_class = 2;
  EXPECT_LT(montage_of(testing::small_folder(), options).rows, montage.rows - 2 * 64);
}

TEST(Montage, RefusesOptionsOutOfRangeAndAFolderThatCannotBeWritten) {
  const TempDir dir;
  framed_folder().write(dir.path());
  MontageOptions options;
  options.tile_px = 10;
  EXPECT_THAT([&] { write_montage(dir.path(), options, dir / "m.png"); },
              ThrowsMessage<InvalidInput>(HasSubstr("tile_px is 10")));
  EXPECT_THROW(write_montage(dir.path(), {}, dir / "none" / "m.png"), IoError);
}

}  // namespace
}  // namespace pulmo::pipeline
