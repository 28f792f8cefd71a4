#include "core/image/slice_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "core/support/error.h"
#include "core/support/seed.h"
#include "tests/core/image/dicom_builder.h"
#include "tests/core/image/expect_refused.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

using ::testing::HasSubstr;
using testing::refusal_of;
using ::testing::ThrowsMessage;

Bytes encoded(const std::string& extension, const cv::Mat& picture) {
  std::vector<std::uint8_t> bytes;
  cv::imencode(extension, picture, bytes);
  const auto view = std::as_bytes(std::span(bytes));
  return {view.begin(), view.end()};
}

cv::Mat ramp(int rows = 24, int columns = 32) {
  cv::Mat picture(rows, columns, CV_8UC1);
  for (int y = 0; y < rows; ++y) {
    for (int x = 0; x < columns; ++x) {
      picture.at<std::uint8_t>(y, x) = static_cast<std::uint8_t>(x * 4 + y * 5);
    }
  }
  return picture;
}

Bytes joined(std::initializer_list<ByteView> parts) {
  Bytes whole;
  for (const ByteView part : parts) {
    std::copy(part.begin(), part.end(), std::back_inserter(whole));
  }
  return whole;
}

std::string refusal(const Bytes& bytes, const DecodeLimits& limits = {}) {
  return refusal_of([&] { decode_slice(bytes, "test picture", limits); });
}

void expect_grey(const std::filesystem::path& file, double tolerance) {
  const Slice slice = decode_slice(read_file(file), "test picture");
  const Bytes raw = read_file(std::filesystem::path(file).replace_extension(".grey"));
  ASSERT_EQ(raw.size(), 24U * 32U * sizeof(float)) << file;
  cv::Mat expected(24, 32, CV_32FC1);
  std::memcpy(expected.data, raw.data(), raw.size());
  ASSERT_EQ(slice.pixels.size(), expected.size()) << file;
  EXPECT_EQ(slice.kind, PixelKind::kGrey) << file;
  EXPECT_LE(cv::norm(slice.pixels, expected, cv::NORM_INF), tolerance) << file;
}

TEST(SliceDecoder, GivesTheGreyValuesOfPillowForEveryKindOfPicture) {
  const testing::TempDir folder;
  const std::filesystem::path script = testing::source_dir() / "tests/golden/picture_image_golden.py";
  const testing::ProcessResult made =
      testing::run_process({testing::python().string(), script.string(), folder.path().string()});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  for (const char* name : {"grey8", "grey16", "colour", "colour_alpha", "grey_alpha", "palette", "one_bit"}) {
    expect_grey(folder / (std::string(name) + ".png"), 1e-6);
  }
  for (const char* name : {"baseline", "progressive", "colour_jpeg", "cmyk"}) {
    expect_grey(folder / (std::string(name) + ".jpg"), 0.012);
  }
}

TEST(SliceDecoder, ReadsHounsfieldUnitsFromPicturesWithAnIntercept) {
  cv::Mat picture(20, 20, CV_16UC1, cv::Scalar(1024));
  picture.at<std::uint16_t>(0, 1) = 24;
  const Slice slice = decode_slice(encoded(".png", picture), "test picture", DecodeLimits{}, -1024.0);
  EXPECT_EQ(slice.kind, PixelKind::kHounsfield);
  EXPECT_FLOAT_EQ(slice.pixels.at<float>(0, 0), 0.0F);
  EXPECT_FLOAT_EQ(slice.pixels.at<float>(0, 1), -1000.0F);
}

TEST(SliceDecoder, DecodesDicomAndIgnoresTheIntercept) {
  const Bytes bytes = testing::DicomBuilder().file();
  const Slice slice = decode_slice(bytes, "test picture", DecodeLimits{}, 5000.0);
  EXPECT_EQ(slice.kind, PixelKind::kHounsfield);
  EXPECT_FLOAT_EQ(slice.pixels.at<float>(0, 0), -24.0F);
}

TEST(SliceDecoder, TellsFormatsByTheirFirstBytes) {
  EXPECT_EQ(sniff_format(encoded(".png", ramp())), ImageFormat::kPng);
  EXPECT_EQ(sniff_format(encoded(".jpg", ramp())), ImageFormat::kJpeg);
  EXPECT_EQ(sniff_format(testing::DicomBuilder().file()), ImageFormat::kDicom);
  EXPECT_EQ(sniff_format(encoded(".bmp", ramp())), ImageFormat::kUnknown);
  EXPECT_EQ(sniff_format({}), ImageFormat::kUnknown);
}

TEST(SliceDecoder, RefusesOtherFormatsAndEmptyFiles) {
  EXPECT_EQ(refusal({}), "unknown_format");
  EXPECT_EQ(refusal(encoded(".bmp", ramp())), "unknown_format");
}

TEST(SliceDecoder, RefusesPicturesCutAtAnyLength) {
  for (const char* extension : {".png", ".jpg"}) {
    const Bytes whole = encoded(extension, ramp());
    for (std::size_t length = 8; length < whole.size(); ++length) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
      EXPECT_EQ(refusal(cut), "truncated_image") << extension << " " << length;
    }
    EXPECT_EQ(refusal(whole), "") << extension;
  }
}

TEST(SliceDecoder, RefusesAbsurdSizesBeforeUnpacking) {
  Bytes png = encoded(".png", ramp());
  png[16] = std::byte{0x7F};  // width, of IHDR
  EXPECT_EQ(refusal(png), "too_large");
  Bytes jpeg = encoded(".jpg", ramp());
  const std::size_t at = as_text(jpeg).find(std::string_view("\xFF\xC0\x00\x0B", 4));
  ASSERT_NE(at, std::string_view::npos);
  jpeg[at + 5] = std::byte{0xFF};  // height, of SOF0
  EXPECT_EQ(refusal(jpeg), "too_large");
  EXPECT_EQ(refusal(encoded(".png", ramp()), {.max_side_px = 31}), "too_large");
  EXPECT_EQ(refusal(encoded(".png", ramp()), {.max_pixels = 24 * 32 - 1}), "too_large");
}

TEST(SliceDecoder, RefusesPicturesOfNoPixels) {
  Bytes png = encoded(".png", ramp());
  std::fill(png.begin() + 16, png.begin() + 20, std::byte{0});
  EXPECT_EQ(refusal(png), "truncated_image");
}

// A progressive JPEG may say "and once more over all pixels" in a few bytes, thousands of times.
TEST(SliceDecoder, RefusesJpegsOfCountlessScans) {
  std::vector<std::uint8_t> packed;
  cv::imencode(".jpg", ramp(), packed, {cv::IMWRITE_JPEG_PROGRESSIVE, 1});
  const auto view = std::as_bytes(std::span(packed));
  Bytes jpeg(view.begin(), view.end() - 2);
  const std::vector<int> scan = {0xFF, 0xDA, 0x00, 0x08, 0x01, 0x01, 0x00, 0x00, 0x3F, 0x00};
  for (int i = 0; i < 200; ++i) {
    std::transform(scan.begin(), scan.end(), std::back_inserter(jpeg), [](int b) { return static_cast<std::byte>(b); });
  }
  jpeg.push_back(std::byte{0xFF});
  jpeg.push_back(std::byte{0xD9});
  EXPECT_EQ(refusal(jpeg), "too_large");
  EXPECT_THAT([&] { decode_slice(jpeg, "test.jpg"); }, ThrowsMessage<InvalidInput>(HasSubstr("scans, at most 100")));
}

// Nothing is printed either: what OpenCV's and the JPEG library's own handlers say would end in a server's log.
TEST(SliceDecoder, MutatedPicturesAreDecodedOrRefused) {
  Random random(derive_seed(3, "mutated pictures"));
  ::testing::internal::CaptureStderr();
  for (const char* extension : {".png", ".jpg"}) {
    const Bytes whole = encoded(extension, ramp());
    std::map<std::string, int> outcomes;
    for (int round = 0; round < 1500; ++round) {
      Bytes bytes = whole;
      for (int i = 0; i < 2; ++i) {
        bytes[8 + random.below(bytes.size() - 8)] = static_cast<std::byte>(random.below(256));
      }
      ++outcomes[refusal(bytes)];
    }
    EXPECT_GT(outcomes["truncated_image"], 10) << extension;
    EXPECT_EQ(outcomes["unknown_format"], 0) << extension;
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(SliceDecoder, RefusesJpegsWithAHoleInTheirData) {
  const Bytes whole = encoded(".jpg", ramp(64, 64));
  const std::size_t scan = as_text(whole).find("\xFF\xDA");
  ASSERT_NE(scan, std::string_view::npos);
  const ByteView view = whole;
  const Bytes bytes = joined({view.first(scan + 40), view.last(2)});
  EXPECT_EQ(refusal(bytes), "truncated_image");
}

TEST(SliceDecoder, IgnoresTextsAndProfilesOfPngs) {
  const Bytes plain = encoded(".png", ramp());
  const unsigned char chunk[] = {0, 0, 0, 5, 't', 'E', 'X', 't', 'a', 0, 'b', 'c', 'd', 0x41, 0xBC, 0x7E, 0x6F};
  const ByteView view = plain;
  Bytes text = joined({view.first(33), std::as_bytes(std::span(chunk)), view.subspan(33)});
  EXPECT_EQ(refusal(text), "");
  text[33 + 8] = std::byte{'z'};  // the checksum is wrong now
  EXPECT_EQ(refusal(text), "truncated_image");
}

}  // namespace
}  // namespace pulmo
