#include "pipeline/run/prepare_lidc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/support/error.h"
#include "core/support/yaml_reader.h"
#include "tests/pipeline/support/lidc_files.h"
#include "tests/support/temp_dir.h"

namespace pulmo::pipeline {
namespace {

namespace fs = std::filesystem;
using testing::CtSlice;
using ::testing::HasSubstr;
using testing::write_bytes;
using testing::write_text;

constexpr int kPatients = 8;
constexpr int kSlices = 16;

/// A mini archive and a configuration that suits its small slices.
class PrepareLidc : public ::testing::Test {
 protected:
  PrepareLidc() {
    testing::write_mini_archive(archive_.path(), kPatients, kSlices);
    config_.preprocess.size_px = 64;
    config_.store.shard_samples = 10;
    options_.output = out_ / "data";
    options_.threads = 2;
  }

  RunSummary prepare() { return prepare_into(options_.output).value(); }
  std::optional<RunSummary> prepare_into(const fs::path& output) {
    PrepareOptions options = options_;
    options.output = output;
    return prepare_lidc({{archive_ / "images"}, {archive_ / "annotations"}}, config_, options);
  }
  std::string reason() {
    try {
      prepare();
    } catch (const InvalidInput& error) {
      message_ = error.what();
      return error.reason();
    }
    return "none";
  }
  YAML::Node report() const { return load_yaml(options_.output / "report.yaml"); }
  std::int64_t problems(const std::string& name) const {
    const YAML::Node node = report()["problems"][name];
    return node.IsDefined() ? node["count"].as<std::int64_t>() : 0;
  }
  std::int64_t left_out(const std::string& scope, const std::string& name) const {
    const YAML::Node node = report()["left_out"][scope][name];
    return node.IsDefined() ? node["count"].as<std::int64_t>() : 0;
  }
  /// Every slice of the archive became a sample or was left out for a reason.
  void expect_all_slices_accounted_for() const {
    std::int64_t sum = 0;
    for (const auto& item : report()["left_out"]["slices"]) sum += item.second["count"].as<std::int64_t>();
    for (const auto& item : report()["samples"]) sum += item.second["samples"].as<std::int64_t>();
    EXPECT_EQ(sum, report()["totals"]["slices"].as<std::int64_t>());
  }
  fs::path slice(int patient, int number) const {
    return archive_ / ("images/P-" + std::to_string(patient)) / (std::to_string(number) + ".dcm");
  }

  testing::TempDir archive_;
  testing::TempDir out_;
  LidcConfig config_;
  PrepareOptions options_;
  std::string message_;
};

TEST_F(PrepareLidc, MakesMalignantAndMatchedNormalSlicesSplitByPatient) {
  const RunSummary summary = prepare();
  const Manifest manifest = read_manifest(options_.output);
  EXPECT_EQ(manifest.class_names, (std::vector<std::string>{"normal", "malignant"}));
  EXPECT_EQ(manifest.positive_class, "malignant");
  EXPECT_FALSE(manifest.phantom);
  std::map<std::string, Split> part_of;
  std::int64_t malignant = 0;
  for (const Split part : kSplits) {
    for (const ShardReader& shard : open_split(options_.output, manifest, part, true)) {
      for (std::size_t i = 0; i < shard.labels().size(); ++i) {
        const std::string& patient = shard.patients()[i];
        EXPECT_EQ(part_of.emplace(patient, part).first->second, part) << "a patient in two parts";
        if (shard.labels()[i] == 0) continue;
        ++malignant;
        EXPECT_EQ((patient.back() - '0') % 2, 0);
        EXPECT_GE(shard.positions_mm()[i], -80.0);
        EXPECT_LE(shard.positions_mm()[i], -72.0);
      }
    }
  }
  EXPECT_EQ(malignant, kPatients / 2 * 3);
  EXPECT_EQ(summary.samples, 2 * malignant);
  EXPECT_EQ(left_out("slices", "benign_nodule"), kPatients / 2 * 3);
  expect_all_slices_accounted_for();
}

TEST_F(PrepareLidc, StoresLungAndNoduleMasksOfThePreprocessedSlice) {
  config_.split.mode = SplitMode::kNone;
  prepare();
  const Manifest manifest = read_manifest(options_.output);
  for (const ShardReader& shard : open_split(options_.output, manifest, Split::kTest)) {
    for (std::int64_t i = 0; i < shard.size(); ++i) {
      const auto nodules = shard.read_nodules(i);
      const auto lungs = shard.read_lungs(i);
      int both = 0;
      int two = 0;
      for (std::size_t p = 0; p < nodules.size(); ++p) {
        two += nodules[p] == 2 ? 1 : 0;
        both += nodules[p] == 2 && lungs[p] == 1 ? 1 : 0;
      }
      // The diamond of radius 4 encloses 25 of 96x96 pixels: 11 of 64x64.
      EXPECT_NEAR(two, shard.labels()[static_cast<std::size_t>(i)] == 1 ? 11 : 0, 3);
      EXPECT_EQ(both, two);
    }
  }
}

TEST_F(PrepareLidc, StoresNoMasksWhenNoneAreAskedFor) {
  config_.split.mode = SplitMode::kNone;
  config_.store.masks = false;
  prepare();
  for (const ShardReader& shard : open_split(options_.output, read_manifest(options_.output), Split::kTest)) {
    EXPECT_FALSE(shard.info().has_lungs);
    EXPECT_FALSE(shard.info().has_nodules);
  }
}

TEST_F(PrepareLidc, GivesTheSameDigestsOnAnyNumberOfThreadsAndInAnyOrderOfParts) {
  const std::string digest = prepare().manifest.data_digest();
  options_.threads = 1;
  EXPECT_EQ(prepare_into(out_ / "one")->manifest.data_digest(), digest);
  options_.parts = 2;
  for (const std::size_t part : {2, 1}) {
    options_.part = part;
    EXPECT_EQ(prepare_into(out_ / "parts"), std::nullopt);
  }
  EXPECT_FALSE(fs::exists(out_ / "parts/manifest.yaml"));
  EXPECT_EQ(merge_parts(out_ / "parts").manifest.data_digest(), digest);
  EXPECT_EQ(read_text_file(out_ / "parts/report.yaml"), read_text_file(out_ / "one/report.yaml"));
  EXPECT_EQ(read_text_file(out_ / "parts/report.html"), read_text_file(out_ / "one/report.html"));
  EXPECT_FALSE(fs::exists(out_ / "parts/.pulmo-prepare"));
}

TEST_F(PrepareLidc, WillNotMergeWhileAPartIsMissing) {
  options_.parts = 2;
  prepare_into(options_.output);
  try {
    merge_parts(options_.output);
    FAIL();
  } catch (const InvalidInput& error) {
    EXPECT_THAT(error.what(), HasSubstr("shards are missing: t"));
  }
}

TEST_F(PrepareLidc, LeavesAFinishedFolderOfTheSameConfigurationAlone) {
  prepare();
  const auto time = fs::last_write_time(options_.output / "manifest.yaml");
  prepare();
  EXPECT_EQ(fs::last_write_time(options_.output / "manifest.yaml"), time);
}

TEST_F(PrepareLidc, RefusesAFolderOfAnotherConfigurationUnlessForced) {
  prepare();
  const std::string before = read_text_file(options_.output / "manifest.yaml");
  config_.labels.margin_mm = 9.0;
  EXPECT_EQ(reason(), "output");
  EXPECT_THAT(message_, HasSubstr("--force"));
  EXPECT_EQ(read_text_file(options_.output / "manifest.yaml"), before);
  write_text(options_.output / "notes.txt", "mine");
  options_.force = true;
  prepare();
  EXPECT_NE(read_text_file(options_.output / "manifest.yaml"), before);
  EXPECT_TRUE(fs::exists(options_.output / "notes.txt"));
}

TEST_F(PrepareLidc, BeginsAnewWhenForcedEvenWhereNothingSeemsToHaveChanged) {
  const std::string digest = prepare().manifest.data_digest();
  const std::string whole = read_text_file(slice(0, 7));
  write_text(slice(0, 7), std::string(whole.size(), 'x'));  // as long as it was
  EXPECT_EQ(prepare().manifest.data_digest(), digest);
  options_.force = true;
  prepare();
  EXPECT_EQ(problems("not_dicom"), 1);
  write_text(slice(0, 7), whole);
  EXPECT_EQ(prepare().manifest.data_digest(), digest);
}

TEST_F(PrepareLidc, IsAnotherRunWhenTheSplitFileOrAReadingChanges) {
  write_text(out_ / "split.csv", "patient,split\nP-0,train\nP-2,test\n");
  config_.split.mode = SplitMode::kFile;
  config_.split.file = (out_ / "split.csv").string();
  prepare();
  write_text(out_ / "split.csv", "patient,split\nP-0,test\nP-2,train\n");
  EXPECT_EQ(reason(), "output");
  options_.force = true;
  prepare();
  options_.force = false;
  const fs::path reading = fs::directory_iterator(archive_ / "annotations")->path();
  std::string xml = read_text_file(reading);
  const auto rating = xml.find("<malignancy>") + std::string_view("<malignancy>").size();
  xml[rating] = xml[rating] == '5' ? '1' : '5';
  write_text(reading, xml);
  EXPECT_EQ(reason(), "output");
}

TEST_F(PrepareLidc, ReadsAReadingThatIsThereTwiceOnce) {
  const std::string digest = prepare().manifest.data_digest();
  for (const auto& item : fs::directory_iterator(archive_ / "annotations")) {
    write_text(archive_ / "copies" / item.path().filename(), read_text_file(item.path()));
  }
  PrepareOptions options = options_;
  options.output = out_ / "twice";
  const auto twice =
      prepare_lidc({{archive_ / "images"}, {archive_ / "annotations", archive_ / "copies"}}, config_, options);
  EXPECT_EQ(twice->manifest.data_digest(), digest);
  const YAML::Node left_out = load_yaml(options.output / "report.yaml")["left_out"]["readings"];
  EXPECT_EQ(left_out["duplicate_reading"]["count"].as<int>(), kPatients);
}

TEST_F(PrepareLidc, CountsSeriesWithoutReadingAndReadingsWithoutSeries) {
  fs::remove(archive_ / "annotations/P-0.xml");
  write_text(archive_ / "annotations/other.xml", testing::reading_xml("2.25.999", {}));
  prepare();
  EXPECT_EQ(left_out("series", "no_reading"), 1);
  EXPECT_EQ(left_out("slices", "no_reading"), kSlices);
  EXPECT_EQ(left_out("readings", "no_series"), 1);
  expect_all_slices_accounted_for();
}

TEST_F(PrepareLidc, RefusesReadingsOfOtherSeriesAltogether) {
  fs::remove_all(archive_ / "annotations");
  write_text(archive_ / "annotations/other.xml", testing::reading_xml("2.25.999", {}));
  EXPECT_EQ(reason(), "no_series");
  EXPECT_FALSE(fs::exists(options_.output / "manifest.yaml"));
}

TEST_F(PrepareLidc, CountsATruncatedSliceAndGoesOn) {
  const std::string whole = read_text_file(slice(0, 6));
  write_text(slice(0, 6), std::string_view(whole).substr(0, whole.size() / 2));
  prepare();
  EXPECT_EQ(problems("truncated_dicom"), 1);
  EXPECT_EQ(left_out("slices", "truncated_dicom"), 1);
  expect_all_slices_accounted_for();
}

TEST_F(PrepareLidc, EndsAtATruncatedSliceWhenStrictAndLeavesNothingBehind) {
  const std::string whole = read_text_file(slice(0, 6));
  write_text(slice(0, 6), std::string_view(whole).substr(0, whole.size() / 2));
  options_.strict = true;
  EXPECT_EQ(reason(), "truncated_dicom");
  EXPECT_THAT(message_, HasSubstr("6.dcm"));
  EXPECT_TRUE(fs::is_empty(options_.output));
}

TEST_F(PrepareLidc, SkipsWhatIsNoCtSlice) {
  CtSlice other;
  other.modality = "DX";
  other.series_uid = "2.25.55";
  write_bytes(archive_ / "images/dx.dcm", testing::ct_file(other));
  other.modality = "CT";
  other.image_type = "ORIGINAL\\PRIMARY\\LOCALIZER";
  write_bytes(archive_ / "images/scout.dcm", testing::ct_file(other));
  write_text(archive_ / "images/LICENSE", "text");
  write_text(archive_ / "images/broken.dcm", "not a DICOM file");
  prepare();
  EXPECT_EQ(left_out("files", "modality_dx"), 1);
  EXPECT_EQ(left_out("files", "localizer"), 1);
  EXPECT_EQ(left_out("files", "other_file"), 1);
  EXPECT_EQ(problems("not_dicom"), 1);
}

TEST_F(PrepareLidc, CountsBrokenXmlAndRadiographReadings) {
  write_text(archive_ / "annotations/broken.xml", "<LidcReadMessage><unclosed>");
  write_text(archive_ / "annotations/cxr.xml", "<IdriReadMessage/>");
  prepare();
  EXPECT_EQ(problems("malformed_xml"), 1);
  EXPECT_EQ(left_out("readings", "radiograph_reading"), 1);
}

/// The slices nearest to the nodules, so the first to be drawn, show no lung.
void blank_drawn_slices(const std::function<fs::path(int, int)>& slice) {
  for (int p = 0; p < kPatients; ++p) {
    for (const int i : {3, 9}) {
      CtSlice blank;
      blank.patient = "P-" + std::to_string(p);
      blank.series_uid = "2.25.100" + std::to_string(p);
      blank.sop_uid = blank.series_uid + "." + std::to_string(i + 1);
      blank.instance = i + 1;
      blank.z_mm = -100.0 + 4.0 * i;
      blank.lungs = false;
      write_bytes(slice(p, i), testing::ct_file(blank));
    }
  }
}

TEST_F(PrepareLidc, ReplacesANormalSliceWithoutLungMaskedOrNot) {
  blank_drawn_slices([this](int patient, int i) { return slice(patient, i); });
  for (const auto mask : {LungMasking::kLungs, LungMasking::kNone}) {
    config_.preprocess.mask = mask;
    options_.force = true;
    const RunSummary summary = prepare();
    EXPECT_EQ(summary.samples, kPatients / 2 * 3 * 2);
    EXPECT_GT(left_out("slices", "no_lung_normal"), 0);
    expect_all_slices_accounted_for();
  }
}

TEST_F(PrepareLidc, KeepsTwoSeriesOfOnePatientInOnePart) {
  for (int i = 0; i < kSlices; ++i) {
    CtSlice second;
    second.patient = "P-1";
    second.series_uid = "2.25.7777";
    second.sop_uid = "2.25.7777." + std::to_string(i + 1);
    second.instance = i + 1;
    second.z_mm = 4.0 * i;
    write_bytes(archive_ / "images/second" / (std::to_string(i) + ".dcm"), testing::ct_file(second));
  }
  testing::MarkXml mark;
  mark.slices = {{"2.25.7777.6", 20.0}};
  write_text(archive_ / "annotations/second.xml", testing::reading_xml("2.25.7777", {{mark}}));
  prepare();
  std::set<Split> parts;
  const Manifest manifest = read_manifest(options_.output);
  for (const Split part : kSplits) {
    for (const ShardReader& shard : open_split(options_.output, manifest, part)) {
      for (std::size_t i = 0; i < shard.patients().size(); ++i) {
        if (shard.patients()[i] == "P-1") parts.insert(part);
      }
    }
  }
  EXPECT_EQ(parts.size(), 1U);
}

TEST_F(PrepareLidc, LeavesOutPatientsThatTheSplitFileDoesNotName) {
  write_text(out_ / "split.csv", "patient,split\nP-0,train\nP-2,test\n");
  config_.split.mode = SplitMode::kFile;
  config_.split.file = (out_ / "split.csv").string();
  EXPECT_EQ(prepare().samples, 12);
  EXPECT_EQ(left_out("slices", "not_in_split_file"), (kPatients - 2) * kSlices);
  expect_all_slices_accounted_for();
}

TEST_F(PrepareLidc, RefusesInputWithoutASample) {
  config_.labels.min_readers = 4;
  EXPECT_EQ(reason(), "no_samples");
  EXPECT_THAT(message_, HasSubstr("too_few_readers"));
  EXPECT_TRUE(fs::is_empty(options_.output));
}

TEST_F(PrepareLidc, RefusesInputWithoutCtAndWithoutReadings) {
  fs::remove_all(archive_ / "images");
  write_text(archive_ / "images/README", "no CT here");
  EXPECT_EQ(reason(), "no_series");
  fs::remove_all(archive_ / "annotations");
  EXPECT_EQ(reason(), "no_input");
  write_text(archive_ / "annotations/cxr.xml", "<IdriReadMessage/>");
  EXPECT_EQ(reason(), "no_annotations");
}

TEST_F(PrepareLidc, ReadsTheSameFromAZipAsFromAFolder) {
  const std::string digest = prepare().manifest.data_digest();
  std::vector<std::pair<std::string, std::string>> images;
  std::vector<std::pair<std::string, std::string>> readings;
  for (const auto& item : fs::recursive_directory_iterator(archive_.path())) {
    if (!item.is_regular_file()) continue;
    auto& zip = item.path().extension() == ".dcm" ? images : readings;
    zip.emplace_back("deep/" + fs::relative(item.path(), archive_.path()).string(), read_text_file(item.path()));
  }
  testing::write_zip(out_ / "images.zip", images);
  testing::write_zip(out_ / "readings.zip", readings);
  PrepareOptions options = options_;
  options.output = out_ / "zipped";
  const auto zipped = prepare_lidc({{out_ / "images.zip"}, {out_ / "readings.zip"}}, config_, options);
  EXPECT_EQ(zipped->manifest.data_digest(), digest);
}

}  // namespace
}  // namespace pulmo::pipeline
