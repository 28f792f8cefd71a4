#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <opencv2/core.hpp>

#include "core/image/dicom.h"
#include "core/support/seed.h"
#include "tests/core/image/dicom_builder.h"
#include "tests/core/image/expect_refused.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo {
namespace {

using testing::DicomBuilder;

constexpr int kRows = 48;
constexpr int kColumns = 40;

// Unsigned 12 bit: a smooth picture that lossy codecs change little, differing from frame to frame.
std::vector<std::int16_t> smooth(int frames, int top) {
  std::vector<std::int16_t> values;
  for (int frame = 0; frame < frames; ++frame) {
    for (int y = 0; y < kRows; ++y) {
      for (int x = 0; x < kColumns; ++x) {
        values.push_back(static_cast<std::int16_t>(top * (x + y + 8 * frame) / (kRows + kColumns + 8 * frames)));
      }
    }
  }
  return values;
}

DicomBuilder picture(const std::vector<std::int16_t>& values, int frames = 1) {
  DicomBuilder builder;
  builder.number(0x00280010, kRows).number(0x00280011, kColumns);
  builder.number(0x00280101, 12).number(0x00280102, 11).number(0x00280103, 0);
  if (frames > 1) {
    builder.text(0x00280008, "IS", std::to_string(frames));
  }
  return builder.pixels(values);
}

void write(const std::filesystem::path& path, const Bytes& bytes) {
  std::ofstream(path, std::ios::binary) << as_text(bytes);
}

// Runs one of DCMTK's own programs, `program OPTIONS in.dcm out.dcm`, and returns what it wrote.
Bytes converted(const DicomBuilder& builder, std::vector<std::string> command) {
  const testing::TempDir folder;
  write(folder / "in.dcm", builder.file());
  command.push_back((folder / "in.dcm").string());
  command.push_back((folder / "out.dcm").string());
  const testing::ProcessResult result = testing::run_process(command);
  EXPECT_EQ(result.exit_code, 0) << command[0] << ": " << result.err;
  return read_file(folder / "out.dcm");
}

Bytes in_jpeg_2000(const DicomBuilder& builder, int frames, int fragments) {
  const testing::TempDir folder;
  write(folder / "in.dcm", builder.file());
  const testing::ProcessResult result = testing::run_process(
      {testing::python().string(), (testing::source_dir() / "tests/golden/jpeg2000_dicom.py").string(),
       (folder / "in.dcm").string(), (folder / "out.dcm").string(), std::to_string(frames), std::to_string(fragments)});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return read_file(folder / "out.dcm");
}

double largest_difference(const Bytes& bytes, const std::vector<std::int16_t>& stored, std::int64_t frame = 0) {
  const Slice slice = decode_dicom(bytes, "test.dcm", DecodeLimits{}, frame);
  EXPECT_EQ(slice.pixels.size(), cv::Size(kColumns, kRows));
  double worst = 0.0;
  for (int y = 0; y < kRows; ++y) {
    for (int x = 0; x < kColumns; ++x) {
      const auto at = static_cast<std::size_t>((static_cast<int>(frame) * kRows + y) * kColumns + x);
      worst = std::max(worst, std::abs(slice.pixels.at<float>(y, x) - (stored[at] - 1024.0)));
    }
  }
  return worst;
}

struct Conversion {
  const char* name;
  std::vector<std::string> command;
  const char* syntax;
  double tolerance = 0.0;  // of 4095
};

void PrintTo(const Conversion& conversion, std::ostream* out) {
  *out << conversion.name;
}

class DicomSyntax : public ::testing::TestWithParam<Conversion> {};

TEST_P(DicomSyntax, DecodesToTheStoredValues) {
  const std::vector<std::int16_t> values = smooth(1, 4000);
  const Bytes bytes = converted(picture(values), GetParam().command);
  EXPECT_EQ(read_dicom_header(bytes, "test.dcm").transfer_syntax_uid, GetParam().syntax);
  EXPECT_LE(largest_difference(bytes, values), GetParam().tolerance);
}

TEST_P(DicomSyntax, DecodesEveryFrame) {
  const std::vector<std::int16_t> values = smooth(3, 4000);
  const Bytes bytes = converted(picture(values, 3), GetParam().command);
  for (const std::int64_t frame : {2, 0, 1}) {
    EXPECT_LE(largest_difference(bytes, values, frame), GetParam().tolerance) << frame;
  }
}

TEST_P(DicomSyntax, IsRefusedOrDecodedWhenCutOrMutated) {
  const std::vector<std::int16_t> values = smooth(1, 4000);
  const Bytes whole = converted(picture(values), GetParam().command);
  for (const std::ptrdiff_t missing : {10, 40, 80}) {
    const Bytes cut(whole.begin(), whole.end() - missing);
    EXPECT_EQ(testing::refusal_of([&] { decode_dicom(cut, "test.dcm"); }), "truncated_dicom") << missing;
  }
  Random random(derive_seed(2, GetParam().name));
  for (int round = 0; round < 300; ++round) {
    Bytes bytes = whole;
    for (int i = 0; i < 3; ++i) {
      bytes[bytes.size() - 1 - random.below(bytes.size() / 2)] = static_cast<std::byte>(random.below(256));
    }
    try {
      EXPECT_EQ(decode_dicom(bytes, "test.dcm").pixels.size(), cv::Size(kColumns, kRows));
    } catch (const InvalidInput& error) {
      EXPECT_NE(error.reason(), "not_dicom");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    , DicomSyntax,
    ::testing::Values(Conversion{"implicit", {"dcmconv", "+ti"}, "1.2.840.10008.1.2"},
                      Conversion{"explicit", {"dcmconv", "+te"}, "1.2.840.10008.1.2.1"},
                      Conversion{"big_endian", {"dcmconv", "+tb"}, "1.2.840.10008.1.2.2"},
                      Conversion{"deflated", {"dcmconv", "+td"}, "1.2.840.10008.1.2.1.99"},
                      Conversion{"run_length", {"dcmcrle"}, "1.2.840.10008.1.2.5"},
                      Conversion{"jpeg_lossless_sv1", {"dcmcjpeg", "+e1"}, "1.2.840.10008.1.2.4.70"},
                      Conversion{"jpeg_lossless", {"dcmcjpeg", "+el"}, "1.2.840.10008.1.2.4.57"},
                      Conversion{"jpeg_extended", {"dcmcjpeg", "+ee", "+q", "100"}, "1.2.840.10008.1.2.4.51", 8.0},
                      Conversion{"jpeg_spectral", {"dcmcjpeg", "+es", "+q", "100"}, "1.2.840.10008.1.2.4.53", 8.0},
                      Conversion{"jpeg_progressive", {"dcmcjpeg", "+ep", "+q", "100"}, "1.2.840.10008.1.2.4.55", 8.0},
                      Conversion{"jpeg_ls", {"dcmcjpls", "+el"}, "1.2.840.10008.1.2.4.80"},
                      Conversion{"jpeg_ls_near", {"dcmcjpls", "+en", "+md", "2"}, "1.2.840.10008.1.2.4.81", 2.0}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(Jpeg2000, DecodesToTheStoredValues) {
  const std::vector<std::int16_t> values = smooth(1, 4000);
  EXPECT_EQ(largest_difference(in_jpeg_2000(picture(values), 1, 1), values), 0.0);
}

TEST(Jpeg2000, ReadsNegativeValuesThatTheEncoderHeldForUnsigned) {
  std::vector<std::int16_t> values = smooth(1, 4000);
  std::for_each(values.begin(), values.end(),
                [](std::int16_t& value) { value = static_cast<std::int16_t>(value - 2000); });
  DicomBuilder builder = picture(values);
  builder.number(0x00280101, 16).number(0x00280102, 15).number(0x00280103, 1);
  EXPECT_EQ(largest_difference(in_jpeg_2000(builder, 1, 1), values), 0.0);
}

TEST(Jpeg2000, FindsFramesOfSeveralFragmentsByTheOffsetTable) {
  const std::vector<std::int16_t> values = smooth(3, 4000);
  const Bytes bytes = in_jpeg_2000(picture(values, 3), 3, 2);
  for (const std::int64_t frame : {1, 2, 0}) {
    EXPECT_EQ(largest_difference(bytes, values, frame), 0.0) << frame;
  }
}

TEST(Jpeg2000, IsRefusedOrDecodedWhenCutOrMutated) {
  const Bytes whole = in_jpeg_2000(picture(smooth(1, 4000)), 1, 1);
  const Bytes cut(whole.begin(), whole.end() - 60);
  EXPECT_EQ(testing::refusal_of([&] { decode_dicom(cut, "test.dcm"); }), "truncated_dicom");
  Random random(derive_seed(2, "jpeg 2000"));
  for (int round = 0; round < 500; ++round) {
    Bytes bytes = whole;
    bytes[bytes.size() - 1 - random.below(bytes.size() / 2)] = static_cast<std::byte>(random.below(256));
    try {
      EXPECT_EQ(decode_dicom(bytes, "test.dcm").pixels.size(), cv::Size(kColumns, kRows));
    } catch (const InvalidInput& error) {
      EXPECT_NE(error.reason(), "not_dicom");
    }
  }
}

// A code stream that says it is huge, or cut into countless tiles, costs memory before a pixel is read.
TEST(Jpeg2000, SizesOtherThanTheHeadersAreRefused) {
  Bytes bytes = in_jpeg_2000(picture(smooth(1, 4000)), 1, 1);
  const std::string_view start("\xFF\x4F\xFF\x51", 4);
  const std::size_t at = as_text(bytes).find(start);
  ASSERT_NE(at, std::string_view::npos);
  Bytes huge = bytes;
  huge[at + 8] = std::byte{0x7F};  // Xsiz
  EXPECT_EQ(testing::refusal_of([&] { decode_dicom(huge, "test.dcm"); }), "bad_pixel_format");
  Bytes tiles = bytes;
  for (const std::size_t field : {24U, 28U}) {  // XTsiz, YTsiz
    tiles[at + field + 3] = std::byte{1};
  }
  EXPECT_EQ(testing::refusal_of([&] { decode_dicom(tiles, "test.dcm"); }), "bad_pixel_format");
}

// Where the segments of the frame begin, in a 64 byte header of 32 bit words (PS3.5 annex G.5).
Bytes with_segments(Bytes bytes, const std::vector<std::uint32_t>& header) {
  const std::string_view usual("\x02\0\0\0\x40\0\0\0", 8);
  const std::size_t at = as_text(bytes).find(usual);
  EXPECT_NE(at, std::string_view::npos);
  for (std::size_t i = 0; i < 4 * header.size(); ++i) {
    bytes[at + i] = static_cast<std::byte>(header[i / 4] >> (8 * (i % 4)));
  }
  return bytes;
}

TEST(RunLengthDicom, SegmentsOutsideOfTheDataAreRefused) {
  const Bytes bytes = converted(picture(smooth(1, 4000)), {"dcmcrle"});
  const auto length = static_cast<std::uint32_t>(bytes.size());
  const std::vector<std::vector<std::uint32_t>> wrong = {{2, 64, 0xFFFFFFF0}, {2, 64, length},     {2, length, length},
                                                         {2, 0x4E000000, 64}, {2, 0, 80},          {2, 80, 64},
                                                         {0, 64, 80},         {0xFFFFFFFF, 64, 80}};
  for (const std::vector<std::uint32_t>& header : wrong) {
    EXPECT_EQ(testing::refusal_of([&] { decode_dicom(with_segments(bytes, header), "test.dcm"); }), "truncated_dicom")
        << ::testing::PrintToString(header);
  }
}

TEST(RunLengthDicom, FramesOfSeveralFragmentsAreRefused) {
  const Bytes bytes = converted(picture(smooth(1, 4000)), {"dcmcrle", "+fs", "1"});
  EXPECT_EQ(testing::refusal_of([&] { decode_dicom(bytes, "test.dcm"); }), "bad_pixel_format");
}

TEST(DeflatedDicom, BombIsRefused) {
  DicomBuilder builder = picture(std::vector<std::int16_t>(std::size_t{kRows} * kColumns, 1));
  builder.raw(0x00091010, "OB", Bytes(std::size_t{40} << 20U));
  const Bytes bytes = converted(builder, {"dcmconv", "+td", "+cl", "9"});
  EXPECT_LT(bytes.size(), 200'000U);
  EXPECT_EQ(testing::refusal_of([&] { decode_dicom(bytes, "test.dcm", {.max_pixels = 4096}); }), "too_large");
}

TEST(JpegDicom, SizeOtherThanTheHeadersIsRefused) {
  Bytes bytes = converted(picture(smooth(1, 4000)), {"dcmcjpeg", "+e1"});
  const std::string_view frame_header("\xFF\xC3\x00\x0B", 4);
  const std::size_t at = as_text(bytes).find(frame_header);
  ASSERT_NE(at, std::string_view::npos);
  bytes[at + 5] = std::byte{0xFF};  // 65,328 rows
  EXPECT_EQ(testing::refusal_of([&] { decode_dicom(bytes, "test.dcm"); }), "bad_pixel_format");
}

TEST(JpegDicom, EightBitFramesOfSixteenBitPicturesAreRead) {
  const std::vector<std::int16_t> values = smooth(1, 200);
  DicomBuilder builder = picture(values);
  builder.number(0x00280101, 8).number(0x00280102, 7);
  EXPECT_EQ(largest_difference(converted(builder, {"dcmcjpls", "+el"}), values), 0.0);
}

}  // namespace
}  // namespace pulmo
