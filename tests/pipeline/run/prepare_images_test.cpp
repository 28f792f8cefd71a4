#include "pipeline/run/prepare_images.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "core/support/error.h"
#include "core/support/seed.h"
#include "core/support/yaml_reader.h"
#include "tests/pipeline/support/lidc_files.h"
#include "tests/support/temp_dir.h"

namespace pulmo::pipeline {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::write_text;

std::string png(const cv::Mat& image) {
  std::vector<unsigned char> bytes;
  cv::imencode(".png", image, bytes);
  return {bytes.begin(), bytes.end()};
}

/// A noisy disc, 40x40: bright for class b.
cv::Mat picture(int seed, bool bright) {
  Random random(static_cast<std::uint64_t>(seed));
  cv::Mat image(40, 40, CV_8UC1);
  for (int y = 0; y < 40; ++y) {
    for (int x = 0; x < 40; ++x) {
      const bool inside = (x - 20) * (x - 20) + (y - 20) * (y - 20) < 64;
      image.at<unsigned char>(y, x) =
          static_cast<unsigned char>((inside ? (bright ? 220 : 140) : 40) + random.below(20));
    }
  }
  return image;
}

class PrepareImages : public ::testing::Test {
 protected:
  PrepareImages() {
    config_.preprocess.size_px = 32;
    config_.preprocess.mask = LungMasking::kNone;
    config_.store.shard_samples = 8;
    options_.output = dir_ / "out";
    options_.threads = 2;
    for (int i = 0; i < 24; ++i) add(i);
  }

  void add(int i) {
    const std::string name = "p" + std::to_string(i / 2) + "/" + std::to_string(i) + ".png";
    const bool malignant = i / 2 % 2 == 1;
    write_text(dir_ / name, png(picture(i, malignant)));
    cv::Mat mask = cv::Mat::zeros(40, 40, CV_8UC1);
    mask(cv::Rect(10, 10, 20, 20)) = 1;
    mask(cv::Rect(15, 15, 10, 10)) = 3;
    write_text(dir_ / (name + ".mask.png"), png(mask));
    rows_ += name + (malignant ? ",malignant," : ",benign,") + "patient " + std::to_string(i / 2) + ",g" +
             std::to_string(i / 2) + "," + name + ".mask.png\n";
  }

  RunSummary prepare() { return prepare_into(options_.output); }
  RunSummary prepare_into(const fs::path& output) {
    write_text(dir_ / "m.csv", "path,label,patient,group,mask\n" + rows_);
    PrepareOptions options = options_;
    options.output = output;
    return prepare_images(dir_ / "m.csv", config_, options).value();
  }
  YAML::Node report() const { return load_yaml(options_.output / "report.yaml"); }

  testing::TempDir dir_;
  std::string rows_;
  ImagesConfig config_;
  PrepareOptions options_;
};

TEST_F(PrepareImages, TakesClassesAndOrderFromTheManifest) {
  config_.split.mode = SplitMode::kNone;
  EXPECT_EQ(prepare().samples, 24);
  const Manifest manifest = read_manifest(options_.output);
  EXPECT_THAT(manifest.class_names, ElementsAre("benign", "malignant"));
  EXPECT_EQ(manifest.source, "images");
  const auto shards = open_split(options_.output, manifest, Split::kTest, true);
  ASSERT_EQ(shards.size(), 3U);
  EXPECT_THAT(shards[0].labels(), ElementsAre(0, 0, 1, 1, 0, 0, 1, 1));
  EXPECT_EQ(shards[0].instances()[3], "p1/3.png");
  EXPECT_EQ(shards[0].patients()[3], "patient 1");
  EXPECT_EQ(shards[0].groups()[3], "g1");
}

TEST_F(PrepareImages, StoresReaderCountsAsTheNoduleMask) {
  config_.split.mode = SplitMode::kNone;
  config_.preprocess.size_px = 40;
  prepare();
  const auto shards = open_split(options_.output, read_manifest(options_.output), Split::kTest);
  EXPECT_FALSE(shards[0].info().has_lungs);
  const auto nodules = shards[0].read_nodules(0);
  EXPECT_EQ(std::count(nodules.begin(), nodules.end(), 3), 100);
  EXPECT_EQ(std::count(nodules.begin(), nodules.end(), 1), 300);
  EXPECT_EQ(std::count(nodules.begin(), nodules.end(), 0), 1200);
}

TEST_F(PrepareImages, TakesAWhiteDrawingAsOneOutline) {
  config_.split.mode = SplitMode::kNone;
  config_.preprocess.size_px = 40;
  cv::Mat mask = cv::Mat::zeros(40, 40, CV_8UC1);
  mask(cv::Rect(0, 0, 10, 10)) = 255;
  write_text(dir_ / "p0/0.png.mask.png", png(mask));
  prepare();
  const auto nodules = open_split(options_.output, read_manifest(options_.output), Split::kTest)[0].read_nodules(0);
  EXPECT_EQ(std::count(nodules.begin(), nodules.end(), 1), 100);
}

TEST_F(PrepareImages, GivesTheSameDigestsOnAnyNumberOfThreads) {
  const std::string digest = prepare().manifest.data_digest();
  options_.threads = 1;
  EXPECT_EQ(prepare_into(dir_ / "again").manifest.data_digest(), digest);
}

TEST_F(PrepareImages, CountsPicturesThatCannotBeUsedAndGoesOn) {
  rows_ += "gone.png,benign,x,,\nflat.png,benign,x,,\nbroken.png,benign,x,,\ntext.png,benign,x,,\n";
  rows_ += "odd.png,benign,x,,p0/0.png.mask.png\na.zip!missing.png,benign,x,,\n";
  write_text(dir_ / "flat.png", png(cv::Mat(40, 40, CV_8UC1, cv::Scalar(7))));
  const std::string whole = png(picture(1, true));
  write_text(dir_ / "broken.png", whole.substr(0, whole.size() / 2));
  write_text(dir_ / "text.png", "this is no picture");
  write_text(dir_ / "odd.png", png(picture(2, true)(cv::Rect(0, 0, 30, 30)).clone()));
  testing::write_zip(dir_ / "a.zip", {{"other.png", whole}});
  EXPECT_EQ(prepare().samples, 24);
  const YAML::Node left_out = report()["left_out"]["rows"];
  EXPECT_EQ(left_out["missing_file"]["count"].as<int>(), 2);
  EXPECT_EQ(left_out["constant_image"]["count"].as<int>(), 1);
  EXPECT_THAT(report()["problems"]["constant_image"]["examples"][0].as<std::string>(), HasSubstr("flat.png: "));
  EXPECT_EQ(left_out["truncated_image"]["count"].as<int>(), 1);
  EXPECT_EQ(left_out["unknown_format"]["count"].as<int>(), 1);
  EXPECT_EQ(left_out["mask_size"]["count"].as<int>(), 1);
  EXPECT_THAT(report()["problems"]["missing_file"]["examples"][0].as<std::string>(),
              HasSubstr("gone.png: does not exist (m.csv, line 26)"));
}

TEST_F(PrepareImages, GoesOnPastPathsThatCannotBeFollowed) {
  fs::create_directory_symlink("loop", dir_ / "loop");
  rows_ += "loop/1.png,benign,x,,\n" + std::string(300, 'n') + ".png,benign,x,,\n";
  EXPECT_EQ(prepare().samples, 24);
  EXPECT_EQ(report()["left_out"]["rows"]["unreadable"]["count"].as<int>(), 2);
}

TEST_F(PrepareImages, RefusesADicomOfSeveralFrames) {
  testing::CtSlice slice;
  slice.frames = 5;
  testing::write_bytes(dir_ / "five.dcm", testing::ct_file(slice));
  rows_ += "five.dcm,benign,x,,\n";
  EXPECT_EQ(prepare().samples, 24);
  EXPECT_THAT(report()["problems"]["multi_frame"]["examples"][0].as<std::string>(),
              HasSubstr("five.dcm: holds 5 frames; list a file for each slice"));
}

TEST_F(PrepareImages, TellsEachReasonOnceWhenNothingIsLeft) {
  config_.split.mode = SplitMode::kNone;
  rows_ = "gone.png,benign,x,,\nlost.png,malignant,y,,\n";
  try {
    prepare();
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_STREQ(error.what(), "no sample was made: 2 missing_file");
  }
}

TEST_F(PrepareImages, EndsAtTheFirstMissingPictureWhenStrict) {
  rows_ += "gone.png,benign,x,,\n";
  options_.strict = true;
  try {
    prepare();
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_EQ(error.reason(), "missing_file");
  }
  EXPECT_TRUE(fs::is_empty(options_.output));
}

TEST_F(PrepareImages, WhenStrictRefusesButKeepsWhatAnEarlierRunMadePastAProblem) {
  rows_ += "gone.png,benign,x,,\n";
  write_text(dir_ / "m.csv", "path,label,patient,group,mask\n" + rows_);
  options_.parts = 2;
  for (options_.part = 1; options_.part <= 2; ++options_.part) prepare_images(dir_ / "m.csv", config_, options_);
  const auto refusal = [&] {
    try {
      prepare();
    } catch (const InvalidInput& error) {
      return error.reason() + ": " + error.what();
    }
    return std::string();
  };
  options_.part = options_.parts = 1;
  options_.strict = true;
  EXPECT_THAT(refusal(), AllOf(HasSubstr("output: "), HasSubstr("past 1 problem"), HasSubstr("--force")));
  options_.strict = false;
  const std::string digest = prepare().manifest.data_digest();
  options_.strict = true;
  EXPECT_THAT(refusal(), AllOf(HasSubstr("output: "), HasSubstr("past 1 problem"), HasSubstr("--force")));
  options_.strict = false;
  EXPECT_EQ(prepare().manifest.data_digest(), digest);
  options_.strict = options_.force = true;
  EXPECT_THAT(refusal(), HasSubstr("missing_file: "));
}

TEST_F(PrepareImages, ReadsPicturesInsideAZip) {
  testing::write_zip(dir_ / "set/all.zip", {{"in/1.png", png(picture(1, true))}, {"in/2.png", png(picture(2, false))}});
  rows_ = "set/all.zip!in/1.png,malignant,a,,\nset/all.zip!in/2.png,benign,b,,\n";
  config_.split.mode = SplitMode::kNone;
  EXPECT_EQ(prepare().samples, 2);
}

TEST_F(PrepareImages, ReadsPngJpegAndDicomSideBySide) {
  std::vector<unsigned char> jpeg;
  cv::imencode(".jpg", picture(1, true), jpeg);
  write_text(dir_ / "1.jpg", std::string(jpeg.begin(), jpeg.end()));
  testing::write_bytes(dir_ / "2.dcm", testing::ct_file({}));
  rows_ = "p0/0.png,benign,a,,\n1.jpg,malignant,b,,\n2.dcm,malignant,c,,\n";
  config_.split.mode = SplitMode::kNone;
  EXPECT_EQ(prepare().samples, 3);
  const YAML::Node statistics = report()["statistics"];
  EXPECT_EQ(statistics["pixel_spacing_mm"]["malignant"]["counts"]["4"].as<int>(), 1);
  std::int64_t pixels = 0;
  for (const auto& item : statistics["pixels_hu"]["malignant"]["counts"]) pixels += item.second.as<int>();
  EXPECT_EQ(pixels, 24 * 24);  // every fourth of 96 x 96
  EXPECT_TRUE(statistics["pixels_grey"]["benign"].IsDefined());
  EXPECT_TRUE(statistics["pixels_grey"]["malignant"].IsDefined());
}

TEST_F(PrepareImages, ReadsHounsfieldUnitsWithAnIntercept) {
  cv::Mat hu(40, 40, CV_16UC1, cv::Scalar(24));  // -1000 HU stored with an offset of 1024
  hu(cv::Rect(10, 10, 20, 20)) = 1424;           // the upper end of the window
  hu(cv::Rect(20, 20, 4, 4)) = 724;              // -300 HU: the middle of it
  write_text(dir_ / "hu.png", png(hu));
  rows_ = "hu.png,malignant,a,,\np0/0.png,benign,b,,\n";
  config_.split.mode = SplitMode::kNone;
  config_.intercept_hu = -1024.0;
  config_.preprocess.gaussian_sigma_px = 0.0;
  config_.preprocess.size_px = 40;
  prepare();
  const auto shards = open_split(options_.output, read_manifest(options_.output), Split::kTest);
  std::vector<std::uint16_t> image(1600);
  shards[0].read_image(0, image);
  EXPECT_EQ(image[0], 0);
  EXPECT_EQ(image[15 * 40 + 15], 65535);
  EXPECT_NEAR(image[21 * 40 + 21], 65535 / 2, 1);
}

TEST_F(PrepareImages, IsAnotherRunWhenTheManifestChanges) {
  prepare();
  rows_.replace(rows_.find("benign"), 6, "malignant");
  EXPECT_THROW(prepare(), InvalidInput);
}

}  // namespace
}  // namespace pulmo::pipeline
