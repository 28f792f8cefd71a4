#include "core/model/features.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <numeric>
#include <opencv2/core.hpp>
#include <set>

#include "core/support/bytes.h"
#include "core/support/error.h"
#include "core/support/seed.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

cv::Mat noise(int side, std::uint64_t seed) {
  Random random(seed);
  cv::Mat image(side, side, CV_16UC1);
  for (auto& pixel : cv::Mat_<std::uint16_t>(image)) pixel = static_cast<std::uint16_t>(random.below(65536));
  return image;
}

/// The features whose name begins so.
std::vector<float> group(const std::vector<float>& values, const std::string& prefix) {
  std::vector<float> result;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (feature_names()[i].rfind(prefix, 0) == 0) result.push_back(values[i]);
  }
  return result;
}

TEST(Features, AgreeWithScikitImageAndSciPy) {
  const testing::TempDir folder;
  const std::string script = testing::source_dir() / "tests/golden/features_twin.py";
  ASSERT_EQ(testing::run_process({testing::python(), script, "make", folder.path()}).exit_code, 0);
  int side = 0;
  std::ifstream(folder / "side.txt") >> side;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    if (entry.path().extension() != ".u16") continue;
    Bytes pixels = read_file(entry.path());
    const std::vector<float> values = extract_features(cv::Mat(side, side, CV_16UC1, pixels.data()));
    std::ofstream table(folder / (entry.path().stem().string() + ".tsv"));
    table.precision(9);
    for (std::size_t i = 0; i < values.size(); ++i) table << feature_names()[i] << "\t" << values[i] << "\n";
  }
  const auto result = testing::run_process({testing::python(), script, "check", folder.path()});
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
}

TEST(Features, HaveDistinctNamesInTheOrderOfTheValues) {
  const std::set<std::string> distinct(feature_names().begin(), feature_names().end());
  EXPECT_EQ(distinct.size(), feature_names().size());
  for (const int side : {8, 33, 224}) EXPECT_EQ(extract_features(noise(side, 1)).size(), feature_names().size());
}

TEST(Features, AreFiniteForPicturesWithoutContent) {
  for (const int value : {0, 1, 30000, 65535}) {
    for (const int side : {1, 2, 7, 64}) {
      const cv::Mat image(side, side, CV_16UC1, cv::Scalar(value));
      for (const float feature : extract_features(image)) ASSERT_TRUE(std::isfinite(feature));
    }
  }
}

TEST(Features, DoNotChangeThePicture) {
  const cv::Mat image = noise(40, 2);
  const cv::Mat before = image.clone();
  extract_features(image);
  EXPECT_EQ(cv::norm(image, before, cv::NORM_INF), 0.0);
}

TEST(Features, DescribeAPartOfALargerPictureWithoutItsNeighbours) {
  const cv::Mat whole = noise(90, 3);
  const cv::Mat part = whole(cv::Rect(10, 20, 48, 48));
  EXPECT_EQ(extract_features(part), extract_features(part.clone()));
}

TEST(Features, GradientHistogramsPointAcrossTheStripes) {
  const auto strongest = [](bool vertical) {
    cv::Mat image(64, 64, CV_16UC1);
    for (int y = 0; y < 64; ++y) {
      for (int x = 0; x < 64; ++x) {
        image.at<std::uint16_t>(y, x) = static_cast<std::uint16_t>(30000 + 20000 * std::sin((vertical ? x : y) * 0.5));
      }
    }
    const std::vector<float> hog = group(extract_features(image), "hog.");
    EXPECT_EQ(hog.size(), 36U);
    const double length = std::sqrt(std::inner_product(hog.begin(), hog.end(), hog.begin(), 0.0));
    EXPECT_NEAR(length, 1.0, 5e-3) << "one block of unit length";
    return std::max_element(hog.begin(), hog.begin() + 9) - hog.begin();
  };
  const auto across_vertical = strongest(true);
  const auto across_horizontal = strongest(false);
  EXPECT_TRUE(across_vertical == 0 || across_vertical == 8) << across_vertical;
  EXPECT_EQ(across_horizontal, 4);
}

TEST(Features, RefuseWhatIsNoSquareSixteenBitPicture) {
  EXPECT_THROW(extract_features(cv::Mat::zeros(8, 8, CV_8UC1)), InvalidInput);
  EXPECT_THROW(extract_features(cv::Mat::zeros(8, 9, CV_16UC1)), InvalidInput);
  EXPECT_THROW(extract_features(cv::Mat()), InvalidInput);
}

}  // namespace
}  // namespace pulmo
