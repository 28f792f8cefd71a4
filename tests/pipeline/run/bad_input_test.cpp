// What an archive can hold that it should not: each is counted with its reason and the run goes on; when strict it
// ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <set>

#include "core/support/error.h"
#include "core/support/yaml_reader.h"
#include "pipeline/run/prepare_lidc.h"
#include "tests/pipeline/support/lidc_files.h"
#include "tests/support/temp_dir.h"

namespace pulmo::pipeline {
namespace {

namespace fs = std::filesystem;
using testing::CtSlice;
using testing::write_bytes;
using testing::write_text;
using testing::write_zip;

constexpr int kSlices = 16;

struct BadInput {
  std::string name;
  std::function<void(const fs::path& archive)> damage;
  std::set<std::string> reasons;  ///< one of which is counted among the problems
  std::string left_out_of;        ///< the scope that counts it too, if any
  std::string file;               ///< that the problem names
};

/// How GoogleTest shows it.
void PrintTo(const BadInput& input, std::ostream* out) {
  *out << input.name;
}

/// A slice of patient 0 that cuts the malignant nodule: it is certainly used.
fs::path nodule_slice(const fs::path& archive) {
  return archive / "images/P-0/6.dcm";
}

/// Replaces the value of a US element (explicit little endian).
void set_number(const fs::path& file, const std::string& tag, int value) {
  std::string bytes = read_text_file(file);
  const std::string element = tag + "US" + std::string("\x02\x00", 2);
  const auto at = bytes.find(element);
  ASSERT_NE(at, std::string::npos) << file;
  bytes[at + element.size()] = static_cast<char>(value & 0xff);
  bytes[at + element.size() + 1] = static_cast<char>(value >> 8 & 0xff);
  write_text(file, bytes);
}

void cut_in_half(const fs::path& archive) {
  const std::string whole = read_text_file(nodule_slice(archive));
  write_text(nodule_slice(archive), std::string_view(whole).substr(0, whole.size() / 2));
}

void remove_pixels(const fs::path& archive) {
  const std::string whole = read_text_file(nodule_slice(archive));
  write_text(nodule_slice(archive), std::string_view(whole).substr(0, whole.find(std::string("\xe0\x7f\x10\x00", 4))));
}

void claim_24_bits(const fs::path& archive) {
  set_number(nodule_slice(archive), std::string("\x28\x00\x00\x01", 4), 24);
}

void claim_60000_rows(const fs::path& archive) {
  for (int i = 0; i < kSlices; ++i) {
    set_number(archive / "images/P-0" / (std::to_string(i) + ".dcm"), std::string("\x28\x00\x10\x00", 4), 60000);
  }
}

void add_bomb(const fs::path& archive) {
  write_zip(archive / "images/bomb.zip", {{"1.dcm", std::string(20 << 20, '\0')}});
}

void add_lying_zip(const fs::path& archive) {
  const fs::path zip = archive / "images/liar.zip";
  write_zip(zip, {{"1.dcm", std::string(100000, 'a')}});
  std::string content = read_text_file(zip);
  const std::string sixteen("\x10\x00\x00\x00", 4);
  content.replace(content.find("PK\x01\x02") + 24, 4, sixteen);  // uncompressed size (APPNOTE 4.3.12)
  content.replace(22, 4, sixteen);                               // and in the local header (4.3.7)
  write_text(zip, content);
}

void add_nested_zip(const fs::path& archive) {
  write_zip(archive / "inner.zip", {{"1.dcm", "x"}});
  write_zip(archive / "images/outer.zip", {{"inner.zip", read_text_file(archive / "inner.zip")}});
}

void add_damaged_zip(const fs::path& archive) {
  write_text(archive / "annotations/damaged.zip", "PK\x03\x04 and no more");
}

void move_contour_out(const fs::path& archive) {
  testing::MarkXml mark;
  mark.centre_x = 94;
  mark.slices = {{"2.25.1000.6", -80.0}};
  testing::MarkXml whole;
  whole.slices = {{"2.25.1000.6", -80.0}, {"2.25.1000.7", -76.0}};
  write_text(archive / "annotations/P-0.xml", testing::reading_xml("2.25.1000", {{mark, whole}, {whole}}));
}

void move_contour_between_slices(const fs::path& archive) {
  testing::MarkXml stray;
  stray.slices = {{"2.25.7.7.7", 500.0}};
  testing::MarkXml whole;
  whole.slices = {{"2.25.1000.6", -80.0}};
  write_text(archive / "annotations/P-0.xml", testing::reading_xml("2.25.1000", {{stray, whole}, {whole}}));
}

void rate_beyond_the_scale(const fs::path& archive) {
  testing::MarkXml wild;
  wild.malignancy = 60;
  wild.slices = {{"2.25.1000.6", -80.0}};
  testing::MarkXml whole;
  whole.slices = {{"2.25.1000.6", -80.0}};
  write_text(archive / "annotations/P-0.xml", testing::reading_xml("2.25.1000", {{wild}, {whole}}));
}

CtSlice slice_of_patient_1() {
  CtSlice slice;
  slice.patient = "P-1";
  slice.series_uid = "2.25.1001";
  return slice;
}

void remove_uid(const fs::path& archive) {
  CtSlice slice = slice_of_patient_1();
  slice.sop_uid = "";
  slice.instance = 3;
  slice.z_mm = -92.0;
  write_bytes(archive / "images/P-1/2.dcm", testing::ct_file(slice));
}

void give_series_to_two_patients(const fs::path& archive) {
  CtSlice slice = slice_of_patient_1();
  slice.patient = "P-99";
  slice.sop_uid = "2.25.1001.3";
  slice.z_mm = -92.0;
  write_bytes(archive / "images/P-1/2.dcm", testing::ct_file(slice));
}

void add_slice_of_other_geometry(const fs::path& archive) {
  CtSlice slice = slice_of_patient_1();
  slice.sop_uid = "2.25.1001.77";
  slice.z_mm = 77.0;
  slice.pixel_spacing = "0.5\\0.5";
  write_bytes(archive / "images/P-1/77.dcm", testing::ct_file(slice));
}

void add_slice_at_a_taken_place(const fs::path& archive) {
  CtSlice slice = slice_of_patient_1();
  slice.sop_uid = "2.25.1001.77";
  slice.instance = 77;
  slice.z_mm = -100.0;
  write_bytes(archive / "images/P-1/77.dcm", testing::ct_file(slice));
}

class PrepareBadInput : public ::testing::TestWithParam<BadInput> {
 protected:
  PrepareBadInput() {
    testing::write_mini_archive(archive_.path(), 8, kSlices);
    config_.preprocess.size_px = 64;
    options_.output = out_ / "data";
    options_.threads = 2;
  }
  RunSummary prepare() {
    return prepare_lidc({{archive_ / "images"}, {archive_ / "annotations"}}, config_, options_).value();
  }
  YAML::Node report() const { return load_yaml(options_.output / "report.yaml"); }

  testing::TempDir archive_;
  testing::TempDir out_;
  LidcConfig config_;
  PrepareOptions options_;
};

TEST_P(PrepareBadInput, IsCountedAndTheRunGoesOn) {
  GetParam().damage(archive_.path());
  const RunSummary summary = prepare();
  EXPECT_GT(summary.samples, 12);
  EXPECT_TRUE(fs::exists(options_.output / "manifest.yaml"));
  std::set<std::string> counted;
  for (const auto& item : report()["problems"]) counted.insert(item.first.as<std::string>());
  ASSERT_EQ(counted.size(), 1U);
  EXPECT_TRUE(GetParam().reasons.count(*counted.begin()) > 0) << *counted.begin();
  EXPECT_THAT(report()["problems"][*counted.begin()]["examples"][0].as<std::string>(),
              ::testing::HasSubstr(GetParam().file));
  if (!GetParam().left_out_of.empty()) {
    EXPECT_GT(report()["left_out"][GetParam().left_out_of][*counted.begin()]["count"].as<int>(), 0);
  }
}

TEST_P(PrepareBadInput, EndsTheRunWhenStrict) {
  GetParam().damage(archive_.path());
  options_.strict = true;
  try {
    prepare();
    FAIL() << "was accepted";
  } catch (const InvalidInput& error) {
    EXPECT_TRUE(GetParam().reasons.count(error.reason()) > 0) << error.reason();
  }
  EXPECT_FALSE(fs::exists(options_.output / "manifest.yaml"));
}

INSTANTIATE_TEST_SUITE_P(
    Archive, PrepareBadInput,
    ::testing::Values(BadInput{"TruncatedSlice", cut_in_half, {"truncated_dicom"}, "slices", "P-0/6.dcm"},
                      BadInput{"NoPixelData", remove_pixels, {"no_pixel_data"}, "slices", "P-0/6.dcm"},
                      BadInput{"WrongBitDepth", claim_24_bits, {"bad_pixel_format"}, "slices", "P-0/6.dcm"},
                      BadInput{"AbsurdDimensions", claim_60000_rows, {"too_large"}, "", "P-0/"},
                      BadInput{"ZipBombByRatio", add_bomb, {"zip_bomb"}, "", "bomb.zip"},
                      BadInput{"ZipBombByDeclaredSize", add_lying_zip, {"zip_bomb", "corrupt_zip"}, "", "liar.zip"},
                      BadInput{"NestedZip", add_nested_zip, {"nested_zip"}, "", "outer.zip"},
                      BadInput{"DamagedZip", add_damaged_zip, {"corrupt_zip"}, "", "damaged.zip"},
                      BadInput{"ContourOutsideTheImage", move_contour_out, {"contour_outside_image"}, "", "P-0.xml"},
                      BadInput{"ContourOnNoSlice", move_contour_between_slices, {"unmatched_roi"}, "", "P-0.xml"},
                      BadInput{"RatingOffTheScale", rate_beyond_the_scale, {"bad_rating"}, "", "P-0.xml"},
                      BadInput{"SliceWithoutUid", remove_uid, {"no_uid"}, "", "P-1/2.dcm"},
                      BadInput{"SeriesOfTwoPatients", give_series_to_two_patients, {"mixed_patient"}, "", "P-1/2.dcm"},
                      BadInput{
                          "SliceOfOtherGeometry", add_slice_of_other_geometry, {"mixed_geometry"}, "", "P-1/77.dcm"},
                      BadInput{"TwoSlicesAtOnePlace", add_slice_at_a_taken_place, {"duplicate_position"}, "", "P-1/"}),
    [](const auto& instance) { return instance.param.name; });

using PrepareHostileXml = PrepareBadInput;

/// "Billion laughs": ten entities, each ten times the one before.
std::string laughing_xml() {
  std::string xml = "<?xml version=\"1.0\"?>\n<!DOCTYPE LidcReadMessage [<!ENTITY l0 \"1.2.3\">\n";
  for (int i = 1; i <= 10; ++i) {
    xml += "<!ENTITY l" + std::to_string(i) + " \"";
    for (int k = 0; k < 10; ++k) xml += "&l" + std::to_string(i - 1) + ";";
    xml += "\">\n";
  }
  return xml + "]>\n<LidcReadMessage><ResponseHeader><SeriesInstanceUid>&l10;</SeriesInstanceUid></ResponseHeader>" +
         "</LidcReadMessage>";
}

std::string external_entity_xml(const fs::path& secret) {
  return "<?xml version=\"1.0\"?>\n<!DOCTYPE LidcReadMessage [<!ENTITY secret SYSTEM \"file://" + secret.string() +
         "\">]>\n<LidcReadMessage><ResponseHeader><SeriesInstanceUid>&secret;</SeriesInstanceUid></ResponseHeader>" +
         "</LidcReadMessage>";
}

TEST_F(PrepareHostileXml, EntitiesAreNeverExpandedSoTheReadingFindsNoSeries) {
  write_text(archive_ / "secret.txt", "2.25.1000");
  write_text(archive_ / "annotations/laughs.xml", laughing_xml());
  write_text(archive_ / "annotations/outside.xml", external_entity_xml(archive_ / "secret.txt"));
  EXPECT_EQ(prepare().samples, 24);
  EXPECT_EQ(report()["left_out"]["readings"]["no_series"]["count"].as<int>(), 2);
  EXPECT_FALSE(report()["left_out"]["readings"]["further_file_of_a_series"].IsDefined());
}

TEST_F(PrepareHostileXml, DeepNestingIsReadOrRefused) {
  std::string deep = "<LidcReadMessage>";
  for (int i = 0; i < 200000; ++i) deep += "<a>";
  write_text(archive_ / "annotations/deep.xml", deep);
  EXPECT_EQ(prepare().samples, 24);
  EXPECT_EQ(report()["problems"]["malformed_xml"]["count"].as<int>(), 1);
}

}  // namespace
}  // namespace pulmo::pipeline
