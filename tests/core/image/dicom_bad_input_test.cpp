#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <opencv2/core.hpp>

#include "core/image/dicom.h"
#include "core/support/seed.h"
#include "tests/core/image/dicom_builder.h"
#include "tests/core/image/expect_refused.h"

namespace pulmo {
namespace {

using testing::DicomBuilder;
using testing::refusal_of;

std::string refusal(const Bytes& bytes, const DecodeLimits& limits = {}) {
  return refusal_of([&] { decode_dicom(bytes, "test.dcm", limits); });
}

std::string refusal(const DicomBuilder& builder) {
  return refusal(builder.file());
}

void append(Bytes& out, std::initializer_list<int> values) {
  for (const int value : values) {
    out.push_back(static_cast<std::byte>(value));
  }
}

TEST(BadDicom, IsRefusedWhenItIsNoDicom) {
  EXPECT_EQ(refusal(Bytes{}), "not_dicom");
  EXPECT_EQ(refusal(Bytes(1000, std::byte{0x41})), "not_dicom");
  EXPECT_EQ(refusal_of([] { read_dicom_header(as_bytes("hello, this is a text"), "a.txt"); }), "not_dicom");
}

TEST(BadDicom, OtherModalitiesAreRefused) {
  EXPECT_EQ(refusal(DicomBuilder().text(0x00080060, "CS", "MR")), "wrong_modality");
  EXPECT_EQ(refusal(DicomBuilder().erase(0x00080060)), "wrong_modality");
  EXPECT_EQ(refusal(DicomBuilder().text(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7")), "wrong_modality");
}

TEST(BadDicom, MissingPixelDataAreRefused) {
  EXPECT_EQ(refusal(DicomBuilder().erase(0x7FE00010)), "no_pixel_data");
  EXPECT_EQ(refusal(DicomBuilder().pixels({})), "no_pixel_data");
}

TEST(BadDicom, ShortPixelDataAreRefused) {
  EXPECT_EQ(refusal(DicomBuilder().pixels(std::vector<std::int16_t>(319, 1))), "truncated_dicom");
  EXPECT_EQ(refusal(DicomBuilder().text(0x00280008, "IS", "2")), "truncated_dicom");
}

TEST(BadDicom, PixelsThatAreNotDescribedAreRefused) {
  EXPECT_EQ(refusal(DicomBuilder().erase(0x00280004)), "bad_pixel_format");  // photometric interpretation
  EXPECT_EQ(refusal(DicomBuilder().erase(0x00280002)), "truncated_dicom");   // samples per pixel
  EXPECT_EQ(refusal(DicomBuilder().erase(0x00280100)), "truncated_dicom");   // bits allocated
}

TEST(BadDicom, AbsurdSizesAreRefusedBeforeUnpacking) {
  EXPECT_EQ(refusal(DicomBuilder().number(0x00280010, 65535).number(0x00280011, 65535)), "too_large");
  EXPECT_EQ(refusal(DicomBuilder().text(0x00280008, "IS", "100000")), "too_large");
  EXPECT_EQ(refusal(DicomBuilder().number(0x00280010, 0)), "bad_pixel_format");
  EXPECT_EQ(refusal(DicomBuilder().text(0x00280008, "IS", "-3")), "bad_pixel_format");
  EXPECT_EQ(refusal(DicomBuilder().text(0x00280008, "IS", "many")), "bad_pixel_format");
}

TEST(BadDicom, LimitsAreTheCallers) {
  const Bytes bytes = DicomBuilder().file();
  EXPECT_EQ(refusal(bytes, {.max_side_px = 19}), "too_large");
  EXPECT_EQ(refusal(bytes, {.max_pixels = 319}), "too_large");
  EXPECT_EQ(refusal(bytes, {.max_side_px = 20, .max_pixels = 320, .max_frames = 1}), "");
}

TEST(BadDicom, StrangePixelsAreRefused) {
  EXPECT_EQ(refusal(DicomBuilder().number(0x00280100, 12)), "bad_pixel_format");
  EXPECT_EQ(refusal(DicomBuilder().number(0x00280101, 17)), "bad_pixel_format");
  EXPECT_EQ(refusal(DicomBuilder().number(0x00280101, 0)), "bad_pixel_format");
  EXPECT_EQ(refusal(DicomBuilder().number(0x00280102, 16)), "bad_pixel_format");
  EXPECT_EQ(refusal(DicomBuilder().number(0x00280102, 3)), "bad_pixel_format");
  EXPECT_EQ(refusal(DicomBuilder().number(0x00280002, 3).text(0x00280004, "CS", "RGB")), "bad_pixel_format");
  EXPECT_EQ(refusal(DicomBuilder().text(0x00280004, "CS", "PALETTE COLOR")), "bad_pixel_format");
}

TEST(BadDicom, UselessRescaleIsRefused) {
  EXPECT_EQ(refusal(DicomBuilder().text(0x00281053, "DS", "0")), "bad_pixel_format");
  EXPECT_EQ(refusal(DicomBuilder().text(0x00281053, "DS", "nan")), "bad_pixel_format");
  EXPECT_EQ(refusal(DicomBuilder().text(0x00281053, "DS", "steep")), "bad_pixel_format");
  EXPECT_EQ(refusal(DicomBuilder().text(0x00281052, "DS", "1e300")), "bad_pixel_format");
}

TEST(BadDicom, UnknownTransferSyntaxIsRefusedButItsHeaderIsRead) {
  DicomBuilder builder;
  builder.transfer_syntax("1.2.840.10008.1.2.4.999");  // given to nobody
  EXPECT_EQ(refusal(builder), "unsupported_transfer_syntax");
  EXPECT_EQ(read_dicom_header(builder.file(), "test.dcm").transfer_syntax_uid, "1.2.840.10008.1.2.4.999");
  EXPECT_EQ(read_dicom_header(builder.file(), "test.dcm").columns, 20);
}

TEST(BadDicom, PixelsThatAreNotCompressedAsDeclaredAreRefused) {
  EXPECT_EQ(refusal(DicomBuilder().transfer_syntax("1.2.840.10008.1.2.4.70")), "truncated_dicom");
  EXPECT_EQ(refusal(DicomBuilder().transfer_syntax("1.2.840.10008.1.2.4.90")), "truncated_dicom");
}

TEST(BadDicom, DamagedDeflateStreamIsRefused) {
  DicomBuilder builder;
  builder.transfer_syntax("1.2.840.10008.1.2.1.99");
  EXPECT_EQ(refusal(builder), "truncated_dicom");
}

// Nested sequences of undefined length cost a recursive reader one stack frame per 16 bytes.
Bytes nested(std::size_t depth) {
  Bytes dataset;
  for (std::size_t i = 0; i < depth; ++i) {
    append(dataset, {0x08, 0x00, 0x40, 0x11, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF});
  }
  return DicomBuilder().transfer_syntax("1.2.840.10008.1.2").file_with(dataset);
}

TEST(BadDicom, DeepNestingDoesNotExhaustTheStack) {
  EXPECT_EQ(refusal(nested(100)), "truncated_dicom");
  EXPECT_EQ(refusal(nested(20000)), "truncated_dicom");
  EXPECT_EQ(refusal(nested(60000)), "truncated_dicom");
  EXPECT_EQ(refusal_of([] { read_dicom_header(nested(60000), "test.dcm"); }), "truncated_dicom");
}

// The same within group 0002, in explicit VR, as (0002,0103).
Bytes nested_in_meta(std::size_t depth) {
  constexpr std::size_t kLengthAt = 140;  // of the value of (0002,0000), which follows the preamble
  Bytes whole = DicomBuilder().file();
  const std::size_t meta_bytes = std::to_integer<std::size_t>(whole[kLengthAt]);
  Bytes levels;
  for (std::size_t i = 0; i < depth; ++i) {
    append(levels, {0x02, 0x00, 0x03, 0x01, 'S', 'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF});
    append(levels, {0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF});
  }
  const std::size_t length = meta_bytes + levels.size();
  for (unsigned i = 0; i < 4; ++i) whole[kLengthAt + i] = static_cast<std::byte>(length >> 8 * i & 0xFFU);
  whole.insert(whole.begin() + static_cast<std::ptrdiff_t>(kLengthAt + 4 + meta_bytes), levels.begin(), levels.end());
  return whole;
}

TEST(BadDicom, DeepNestingInTheMetaInformationDoesNotExhaustTheStack) {
  EXPECT_EQ(refusal(nested_in_meta(100)), "truncated_dicom");
  EXPECT_EQ(refusal(nested_in_meta(60000)), "truncated_dicom");
  EXPECT_EQ(refusal_of([] { read_dicom_header(nested_in_meta(60000), "test.dcm"); }), "truncated_dicom");
  EXPECT_EQ(refusal(nested_in_meta(70000)), "too_large");
}

/// A JPEG 2000 stream of side x side pixels and no data, with one decomposition whose precincts have these sides
/// (logarithms of the two resolutions: vertical << 4 | horizontal), and perhaps the same once more in its only tile's
/// header.
Bytes in_precincts(int side, int first, int second, bool in_tile, int block_width = 4, int block_height = 4) {
  Bytes code;
  append(code, {0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0});
  for (const int value : {side, side, 0, 0, side, side, 0, 0}) append(code, {0, 0, value >> 8, value & 255});
  append(code, {0, 1, 15, 1, 1});
  const auto style = [&](int levels_0, int levels_1) {
    append(code, {0xFF, 0x52, 0, 14, 1, 0, 0, 1, 0, 1, block_width, block_height, 0, 1, levels_0, levels_1});
  };
  style(in_tile ? 0xFF : first, in_tile ? 0xFF : second);
  append(code, {0xFF, 0x5C, 0, 7, 0x40, 0x80, 0x80, 0x80, 0x80});
  append(code, {0xFF, 0x90, 0, 10, 0, 0, 0, 0, 0, in_tile ? 14 + 16 + 8 : 14 + 8, 0, 1});
  if (in_tile) style(first, second);
  append(code, {0xFF, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xD9});
  DicomBuilder builder;
  Bytes dataset = builder.number(0x00280010, static_cast<std::uint16_t>(side))
                      .number(0x00280011, static_cast<std::uint16_t>(side))
                      .erase(0x7FE00010)
                      .explicit_dataset();
  append(dataset, {0xE0, 0x7F, 0x10, 0x00, 'O', 'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0x00, 0xE0, 0, 0, 0, 0});
  append(dataset, {0xFE, 0xFF, 0x00, 0xE0, static_cast<int>(code.size()), 0, 0, 0});
  dataset.insert(dataset.end(), code.begin(), code.end());
  append(dataset, {0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0});
  return builder.transfer_syntax("1.2.840.10008.1.2.4.90").file_with(dataset);
}

TEST(BadDicom, Jpeg2000InCountlessPrecinctsIsRefused) {
  for (const bool in_tile : {false, true}) {
    EXPECT_NO_THROW(decode_dicom(in_precincts(1024, 0xFF, 0xFF, in_tile), "test.dcm"));
    EXPECT_NO_THROW(decode_dicom(in_precincts(1024, 0x66, 0x66, in_tile), "test.dcm"));
    EXPECT_EQ(refusal(in_precincts(1024, 0x00, 0x11, in_tile)), "bad_pixel_format");
    EXPECT_EQ(refusal(in_precincts(4096, 0x1F, 0x1F, in_tile, 0, 8)), "bad_pixel_format");  // blocks cut to 4 x 1
    EXPECT_NO_THROW(decode_dicom(in_precincts(512, 0x1F, 0x1F, in_tile, 0, 8), "test.dcm"));
  }
}

TEST(BadDicom, MapsOfOtherQuantitiesAreRefused) {
  for (const char* type : {"Z_EFF", "MGML", "ED", "EDW", "PCT", "OD"}) {
    EXPECT_EQ(refusal(DicomBuilder().text(0x00281054, "LO", type)), "bad_pixel_format") << type;
  }
  for (const char* type : {"HU", "US", "HU_MOD", "", "hounsfield"}) {
    EXPECT_EQ(refusal(DicomBuilder().text(0x00281054, "LO", type)), "") << type;
  }
}

TEST(BadDicom, EndlessItemsAreRefused) {
  EXPECT_EQ(refusal(nested(70000)), "too_large");
}

TEST(BadDicom, IsRefusedWhenCutAtAnyLength) {
  const Bytes whole = DicomBuilder().file();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const std::string reason = refusal(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)));
    EXPECT_NE(reason, "") << length;
  }
}

TEST(BadDicom, NamesTheFileAndTheRemedyButNoPatient) {
  try {
    decode_dicom(DicomBuilder().text(0x00080060, "CS", "MR").file(), "upload 3");
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_EQ(std::string(error.what()).find("upload 3"), 0U);
    EXPECT_EQ(std::string(error.what()).find("SECRET"), std::string::npos);
    EXPECT_EQ(std::string(error.what()).find("1.2.3"), std::string::npos);
  }
}

// Whatever bytes change, the answer is a picture of the declared size or a reasoned refusal, and nothing is printed.
TEST(BadDicom, MutatedBytesAreDecodedOrRefused) {
  DicomBuilder builder;
  DicomBuilder item;
  item.clear().text(0x00080100, "SH", "CODE").text(0x00080104, "LO", "a meaning");
  builder.sequence(0x00081140, {item, item}).pixels(testing::pattern(320, 12));
  const Bytes whole = builder.file();
  Random random(derive_seed(1, "mutated dicom"));
  std::map<std::string, int> outcomes;
  ::testing::internal::CaptureStderr();
  ::testing::internal::CaptureStdout();
  for (int round = 0; round < 4000; ++round) {
    Bytes bytes = whole;
    const std::uint64_t changes = 1 + random.below(4);
    for (std::uint64_t i = 0; i < changes; ++i) {
      bytes[128 + random.below(bytes.size() - 128 - 600)] = static_cast<std::byte>(random.below(256));
    }
    ++outcomes[refusal(bytes)];
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_GT(outcomes[""], 100);
  EXPECT_GT(outcomes["truncated_dicom"], 100);
}

}  // namespace
}  // namespace pulmo
