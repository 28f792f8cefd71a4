// OpenCV's codec is the other side of each exchange.
#include "core/image/png_picture.h"

#include <gtest/gtest.h>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <vector>

namespace pulmo {
namespace {

cv::Mat noise(int type) {
  cv::Mat picture(37, 53, type);
  cv::theRNG().state = 7;
  cv::randu(picture, cv::Scalar::all(0), cv::Scalar::all(picture.depth() == CV_16U ? 65536 : 256));
  return picture;
}

Bytes by_opencv(const cv::Mat& picture) {
  std::vector<std::uint8_t> file;
  cv::imencode(".png", picture, file);
  const ByteView view = std::as_bytes(std::span(file));
  return {view.begin(), view.end()};
}

void expect_same(const cv::Mat& picture, const cv::Mat& expected) {
  ASSERT_EQ(picture.type(), expected.type());
  ASSERT_EQ(picture.size(), expected.size());
  EXPECT_EQ(cv::norm(picture, expected, cv::NORM_INF), 0.0);
}

TEST(PngPicture, ReadsWhatOpenCvWrote) {
  for (const int type : {CV_8UC1, CV_8UC3, CV_16UC1, CV_16UC3}) {
    expect_same(decode_png_picture(by_opencv(noise(type))), noise(type));
  }
}

TEST(PngPicture, LeavesOpacityOut) {
  const cv::Mat picture = noise(CV_8UC4);
  cv::Mat colours(picture.size(), CV_8UC3);
  cv::mixChannels({picture}, {colours}, {0, 0, 1, 1, 2, 2});
  expect_same(decode_png_picture(by_opencv(picture)), colours);
}

TEST(PngPicture, WritesWhatOpenCvReads) {
  for (const int type : {CV_8UC1, CV_8UC3, CV_8UC4}) {
    for (const int level : {0, 1, 9}) {
      Bytes file = encode_png_picture(noise(type), level);
      const cv::Mat bytes(1, static_cast<int>(file.size()), CV_8UC1, file.data());
      expect_same(cv::imdecode(bytes, cv::IMREAD_UNCHANGED), noise(type));
    }
  }
}

TEST(PngPicture, GivesNothingOfDamagedData) {
  const Bytes file = by_opencv(noise(CV_8UC3));
  for (const std::size_t kept : {std::size_t{0}, std::size_t{7}, std::size_t{20}, file.size() / 2, file.size() - 5}) {
    EXPECT_TRUE(decode_png_picture(ByteView(file).first(kept)).empty()) << kept;
  }
  Bytes flipped = file;
  flipped[file.size() / 2] ^= std::byte{1};
  EXPECT_TRUE(decode_png_picture(flipped).empty());
}

TEST(PngPicture, RefusesToWriteAnEmptyPicture) {
  EXPECT_THROW(encode_png_picture(cv::Mat()), std::runtime_error);
}

}  // namespace
}  // namespace pulmo
