#include "core/image/dicom.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <opencv2/core.hpp>
#include <thread>

#include "tests/core/image/dicom_builder.h"
#include "tests/core/image/expect_refused.h"

namespace pulmo {
namespace {

using testing::DicomBuilder;
using ::testing::HasSubstr;

constexpr DicomBuilder::Tag kRows = 0x00280010;
constexpr DicomBuilder::Tag kFrames = 0x00280008;
constexpr DicomBuilder::Tag kPhotometric = 0x00280004;
constexpr DicomBuilder::Tag kBitsAllocated = 0x00280100;
constexpr DicomBuilder::Tag kBitsStored = 0x00280101;
constexpr DicomBuilder::Tag kHighBit = 0x00280102;
constexpr DicomBuilder::Tag kSigned = 0x00280103;
constexpr DicomBuilder::Tag kPadding = 0x00280120;
constexpr DicomBuilder::Tag kPaddingLimit = 0x00280121;
constexpr DicomBuilder::Tag kIntercept = 0x00281052;
constexpr DicomBuilder::Tag kSlope = 0x00281053;
constexpr DicomBuilder::Tag kPixels = 0x7FE00010;

Slice decode(const DicomBuilder& builder, std::int64_t frame = 0) {
  return decode_dicom(builder.file(), "test.dcm", DecodeLimits{}, frame);
}

std::vector<std::int16_t> ones_with(std::int16_t first, std::int16_t second, std::size_t count = 320) {
  std::vector<std::int16_t> values(count, 1);
  values[0] = first;
  values[1] = second;
  return values;
}

TEST(Dicom, ReadsHeaderOfFile) {
  DicomBuilder builder;
  builder.text(0x00200013, "IS", "42").text(0x00180050, "DS", "2.5").text(0x00080008, "CS", "ORIGINAL\\PRIMARY");
  builder.text(0x00200032, "DS", "-166.5\\-171\\-10.25").text(0x00200037, "DS", "1\\0\\0\\0\\1\\0");
  builder.text(0x00080070, "LO", "MAKER").text(0x00081090, "LO", "Model 1");
  const DicomHeader header = read_dicom_header(builder.file(), "test.dcm");
  EXPECT_EQ(header.patient_id, "SECRET-PATIENT");
  EXPECT_EQ(header.study_uid, "1.2.3.4");
  EXPECT_EQ(header.series_uid, "1.2.3");
  EXPECT_EQ(header.sop_instance_uid, "1.2.3.4.5");
  EXPECT_EQ(header.sop_class_uid, "1.2.840.10008.5.1.4.1.1.2");
  EXPECT_EQ(header.modality, "CT");
  EXPECT_EQ(header.image_type, "ORIGINAL\\PRIMARY");
  EXPECT_EQ(header.manufacturer, "MAKER");
  EXPECT_EQ(header.manufacturer_model, "Model 1");
  EXPECT_EQ(header.transfer_syntax_uid, "1.2.840.10008.1.2.1");
  EXPECT_EQ(header.instance_number, 42);
  EXPECT_EQ(header.rows, 16);
  EXPECT_EQ(header.columns, 20);
  EXPECT_EQ(header.frames, 1);
  EXPECT_TRUE(header.has_position);
  EXPECT_DOUBLE_EQ(header.position_mm[0], -166.5);
  EXPECT_DOUBLE_EQ(header.row_spacing_mm, 0.7);
  EXPECT_DOUBLE_EQ(header.column_spacing_mm, 0.8);
  EXPECT_DOUBLE_EQ(header.slice_thickness_mm, 2.5);
  EXPECT_DOUBLE_EQ(header.rescale_intercept, -1024.0);
  EXPECT_DOUBLE_EQ(header.position_along_normal_mm(), -10.25);
}

TEST(Dicom, MeasuresPositionAlongTheNormalOfTiltedPlanes) {
  DicomHeader header;
  header.has_position = true;
  header.position_mm = {3.0, 4.0, 5.0};
  header.orientation = {0, 1, 0, 0, 0, -1};  // sagittal: the normal is -x
  EXPECT_DOUBLE_EQ(header.position_along_normal_mm(), -3.0);
  header.has_position = false;
  EXPECT_DOUBLE_EQ(header.position_along_normal_mm(), 0.0);
}

TEST(Dicom, HeaderNeedsNoPixelData) {
  DicomBuilder builder;
  Bytes bytes = builder.file();
  bytes.resize(bytes.size() - 500);
  EXPECT_EQ(read_dicom_header(bytes, "test.dcm").columns, 20);
  EXPECT_EQ(read_dicom_header(builder.erase(kPixels).file(), "test.dcm").rows, 16);
}

TEST(Dicom, LeavesAbsentHeaderFieldsEmpty) {
  DicomBuilder builder;
  builder.clear().text(0x00080060, "CS", "CT");
  const DicomHeader header = read_dicom_header(builder.file(), "test.dcm");
  EXPECT_EQ(header.patient_id, "");
  EXPECT_EQ(header.rows, 0);
  EXPECT_FALSE(header.has_position);
  EXPECT_EQ(header.row_spacing_mm, 0.0);
  EXPECT_EQ(header.rescale_slope, 1.0);
}

TEST(Dicom, AppliesSlopeAndIntercept) {
  DicomBuilder builder;
  builder.pixels(ones_with(-5, 1000)).text(kSlope, "DS", "2.5").text(kIntercept, "DS", "-100");
  const Slice slice = decode(builder);
  EXPECT_EQ(slice.pixels.rows, 16);
  EXPECT_EQ(slice.pixels.cols, 20);
  EXPECT_EQ(slice.kind, PixelKind::kHounsfield);
  EXPECT_DOUBLE_EQ(slice.row_spacing_mm, 0.7);
  EXPECT_DOUBLE_EQ(slice.column_spacing_mm, 0.8);
  EXPECT_FLOAT_EQ(slice.pixels.at<float>(0, 0), -112.5F);
  EXPECT_FLOAT_EQ(slice.pixels.at<float>(0, 1), 2400.0F);
  EXPECT_FLOAT_EQ(slice.pixels.at<float>(15, 19), -97.5F);
}

TEST(Dicom, TakesAbsentRescaleForHounsfieldUnits) {
  DicomBuilder builder;
  builder.erase(kSlope).erase(kIntercept).pixels(ones_with(-7, 0));
  EXPECT_FLOAT_EQ(decode(builder).pixels.at<float>(0, 0), -7.0F);
}

TEST(Dicom, ReadsUnsignedPixelsUpToTheirHighBit) {
  DicomBuilder builder;
  builder.number(kSigned, 0).number(kBitsStored, 12).number(kHighBit, 11);
  builder.pixels(ones_with(static_cast<std::int16_t>(0xF000 | 0x0FFF), 0x0400));  // an overlay in the upper bits
  EXPECT_FLOAT_EQ(decode(builder).pixels.at<float>(0, 0), 4095.0F - 1024.0F);
  EXPECT_FLOAT_EQ(decode(builder).pixels.at<float>(0, 1), 0.0F);
}

TEST(Dicom, ReadsUnsignedSixteenBits) {
  DicomBuilder builder;
  builder.number(kSigned, 0).pixels(ones_with(-1, 0));
  EXPECT_FLOAT_EQ(decode(builder).pixels.at<float>(0, 0), 65535.0F - 1024.0F);
}

TEST(Dicom, ExtendsTheSignOfTheStoredBits) {
  DicomBuilder builder;
  builder.number(kBitsStored, 12).number(kHighBit, 11).pixels(ones_with(0x0FFF, 0x0800));
  EXPECT_FLOAT_EQ(decode(builder).pixels.at<float>(0, 0), -1.0F - 1024.0F);
  EXPECT_FLOAT_EQ(decode(builder).pixels.at<float>(0, 1), -2048.0F - 1024.0F);
}

TEST(Dicom, ReadsStoredBitsBelowAHighBitInTheMiddle) {
  DicomBuilder builder;
  builder.number(kSigned, 0).number(kBitsStored, 8).number(kHighBit, 11).pixels(ones_with(0x0A5F, 0x0010));
  EXPECT_FLOAT_EQ(decode(builder).pixels.at<float>(0, 0), 0xA5 - 1024.0F);
  EXPECT_FLOAT_EQ(decode(builder).pixels.at<float>(0, 1), 1 - 1024.0F);
}

TEST(Dicom, ReadsEightBitPixels) {
  DicomBuilder builder;
  builder.number(kSigned, 0).number(kBitsAllocated, 8).number(kBitsStored, 8).number(kHighBit, 7);
  builder.pixels(ones_with(0x20FF, 0x4030, 160));
  const Slice slice = decode(builder);
  EXPECT_FLOAT_EQ(slice.pixels.at<float>(0, 0), 255.0F - 1024.0F);
  EXPECT_FLOAT_EQ(slice.pixels.at<float>(0, 1), 32.0F - 1024.0F);
  EXPECT_FLOAT_EQ(slice.pixels.at<float>(0, 3), 64.0F - 1024.0F);
}

TEST(Dicom, TurnsPaddingIntoAir) {
  DicomBuilder builder;
  builder.text(kIntercept, "DS", "0").number(kPadding, 63536).pixels(ones_with(-2000, 5));  // US in a signed picture
  EXPECT_FLOAT_EQ(decode(builder).pixels.at<float>(0, 0), -2000.0F);
  builder.number(kPadding, 5);
  EXPECT_FLOAT_EQ(decode(builder).pixels.at<float>(0, 1), -1000.0F);
  EXPECT_FLOAT_EQ(decode(builder).pixels.at<float>(0, 2), 1.0F);
}

TEST(Dicom, TurnsARangeOfPaddingIntoAir) {
  DicomBuilder builder;
  builder.text(kIntercept, "DS", "0").number(kPadding, 30).number(kPaddingLimit, 20).pixels(ones_with(25, 31));
  EXPECT_FLOAT_EQ(decode(builder).pixels.at<float>(0, 0), -1000.0F);
  EXPECT_FLOAT_EQ(decode(builder).pixels.at<float>(0, 1), 31.0F);
}

TEST(Dicom, TakesMonochrome1ForAWayOfShowing) {
  DicomBuilder builder;
  builder.text(kPhotometric, "CS", "MONOCHROME1").number(kSigned, 0).number(kBitsStored, 12).number(kHighBit, 11);
  builder.pixels(ones_with(0, 4095));
  EXPECT_FLOAT_EQ(decode(builder).pixels.at<float>(0, 0), -1024.0F);
  EXPECT_FLOAT_EQ(decode(builder).pixels.at<float>(0, 1), 4095.0F - 1024.0F);
}

TEST(Dicom, DecodesTheFrameAskedFor) {
  DicomBuilder builder;
  std::vector<std::int16_t> values(640, 3);
  std::fill(values.begin() + 320, values.end(), std::int16_t{9});
  builder.text(kFrames, "IS", "2").pixels(values);
  EXPECT_FLOAT_EQ(decode(builder, 0).pixels.at<float>(15, 19), 3.0F - 1024.0F);
  EXPECT_FLOAT_EQ(decode(builder, 1).pixels.at<float>(0, 0), 9.0F - 1024.0F);
  EXPECT_EQ(testing::refusal_of([&] { decode(builder, 2); }), "no_such_frame");
  EXPECT_EQ(testing::refusal_of([&] { decode(builder, -1); }), "no_such_frame");
}

DicomBuilder group(double slope, double z) {
  DicomBuilder rescale;
  rescale.clear().text(kIntercept, "DS", "-1000").text(kSlope, "DS", std::to_string(slope));
  DicomBuilder position;
  position.clear().text(0x00200032, "DS", "1\\2\\" + std::to_string(z));
  DicomBuilder item;
  return item.clear().sequence(0x00289145, {rescale}).sequence(0x00209113, {position});
}

TEST(Dicom, ReadsFunctionalGroupsOfEnhancedCt) {
  DicomBuilder measures;
  measures.clear().text(0x00280030, "DS", "0.5\\0.6").text(0x00180050, "DS", "1.25");
  DicomBuilder shared;
  shared.clear().sequence(0x00289110, {measures});
  DicomBuilder builder;
  builder.text(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2.1").erase(kSlope).erase(kIntercept).erase(0x00280030);
  builder.sequence(0x52009229, {shared}).sequence(0x52009230, {group(1.0, 7.0), group(2.0, 8.5)});
  builder.text(kFrames, "IS", "2").pixels(std::vector<std::int16_t>(640, 100));
  EXPECT_FLOAT_EQ(decode(builder, 0).pixels.at<float>(0, 0), -900.0F);
  EXPECT_FLOAT_EQ(decode(builder, 1).pixels.at<float>(0, 0), -800.0F);
  EXPECT_DOUBLE_EQ(decode(builder, 1).column_spacing_mm, 0.6);
  const DicomHeader header = read_dicom_header(builder.file(), "test.dcm");
  EXPECT_DOUBLE_EQ(header.position_mm[2], 7.0);
  EXPECT_DOUBLE_EQ(header.slice_thickness_mm, 1.25);
}

TEST(Dicom, ReadsBareDataSets) {
  const DicomBuilder builder;
  for (const Bytes& bytes : {builder.explicit_dataset(), builder.implicit_dataset()}) {
    EXPECT_TRUE(looks_like_dicom(bytes));
    EXPECT_FLOAT_EQ(decode_dicom(bytes, "bare").pixels.at<float>(3, 3), 1000.0F - 1024.0F);
  }
}

TEST(Dicom, TellsDicomByItsFirstBytes) {
  EXPECT_FALSE(looks_like_dicom({}));
  EXPECT_FALSE(looks_like_dicom(as_bytes("\x89PNG\r\n\x1a\n and more")));
  EXPECT_FALSE(looks_like_dicom(as_bytes("a text that goes on for a while, and then some more of it")));
  EXPECT_TRUE(looks_like_dicom(DicomBuilder().file()));
}

TEST(Dicom, DecodesAlikeInParallel) {
  const Bytes bytes = DicomBuilder().pixels(testing::pattern(320, 12)).file();
  const cv::Mat expected = decode_dicom(bytes, "test.dcm").pixels;
  std::vector<double> differences(4, 1.0);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < differences.size(); ++i) {
    threads.emplace_back([&, i] {
      double worst = 0.0;
      for (int round = 0; round < 50; ++round) {
        worst = std::max(worst, cv::norm(decode_dicom(bytes, "test.dcm").pixels, expected, cv::NORM_INF));
      }
      differences[i] = worst;
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(differences, std::vector<double>(4, 0.0));
}

}  // namespace
}  // namespace pulmo
