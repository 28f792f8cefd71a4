// Real readings, against a second implementation in Python.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>

#include "pipeline/input/byte_source.h"
#include "pipeline/lidc/annotation_table.h"
#include "pipeline/lidc/readings.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo::pipeline {
namespace {

using ::testing::HasSubstr;

std::filesystem::path xml_zip() {
  return testing::real_data_dir() / "lidc-xml.zip";
}

/// Count and sums of x, y, x*y over the consensus pixels of a slice.
std::vector<std::int64_t> sums_of(const BoxMask& mask) {
  std::vector<std::int64_t> sums(4, 0);
  for (int y = 0; y < mask.box.height; ++y) {
    for (int x = 0; x < mask.box.width; ++x) {
      if (mask.mask.at<unsigned char>(y, x) == 0) continue;
      const std::int64_t column = x + mask.box.x;
      const std::int64_t row = y + mask.box.y;
      sums[0] += 1;
      sums[1] += column;
      sums[2] += row;
      sums[3] += column * row;
    }
  }
  return sums;
}

void expect_equal(const nlohmann::json& expected, const Nodule& nodule, const CtSeries& series) {
  std::vector<std::size_t> readers;
  for (const ReaderMark& mark : nodule.marks) readers.push_back(mark.reader);
  EXPECT_EQ(expected["readers"].get<std::vector<std::size_t>>(), readers);
  EXPECT_EQ(expected["malignancies"].get<std::vector<int>>(), nodule.malignancies());
  std::map<double, std::vector<std::int64_t>> masks;
  for (const auto& [z, sums] : expected["slices"].items()) {
    masks[std::stod(z)] = sums.get<std::vector<std::int64_t>>();
  }
  std::map<double, std::vector<std::int64_t>> ours;
  for (const auto& [slice, area] : consensus_area(nodule, {512, 512})) {
    ours[series.slices[slice].z_mm] = sums_of(consensus_mask(nodule, slice, {512, 512}));
  }
  EXPECT_EQ(masks, ours);
  const auto dice = reader_dice(nodule, {512, 512});
  ASSERT_EQ(expected["reader_dice"].is_null(), !dice);
  if (dice) {
    EXPECT_NEAR(*dice, expected["reader_dice"].get<double>(), 1e-12);
  }
}

TEST(RealReadings, AllFilesAreReadOrSkippedByTheirRoot) {
  Ledger ledger(true);  // strict: any problem would throw
  const ByteSource source({xml_zip()});
  const auto readings = read_readings(source, 2, ledger);
  EXPECT_EQ(ledger.totals().at("xml_files"), 541);
  EXPECT_EQ(readings.size(), 273U);
  EXPECT_EQ(ledger.left_out(Scope::kReadings).count("radiograph_reading"), 268);
}

TEST(RealReadings, NodulesConsensusMasksAndAgreementEqualASecondImplementation) {
  const ByteSource source({xml_zip()});
  ByteReader reader(source);
  std::vector<std::string> argv{testing::python().string(),
                                (testing::source_dir() / "tests/golden/lidc_nodules.py").string(), xml_zip().string()};
  std::map<std::string, const SourceEntry*> chosen;
  for (std::size_t i = 0; i < source.entries().size(); i += 7) {
    const SourceEntry& entry = source.entries()[i];
    const std::string name = entry.name.substr(xml_zip().string().size() + 1);
    if (parse_lidc_xml(reader.read(entry), name)) chosen[name] = &entry;
  }
  for (const auto& [name, entry] : chosen) argv.push_back(name);
  const auto python = testing::run_process(argv);
  ASSERT_EQ(python.exit_code, 0) << python.err;
  const auto expected = nlohmann::json::parse(python.out);
  std::size_t nodules = 0;
  for (const auto& [name, entry] : chosen) {
    SCOPED_TRACE(name);
    const auto reading = parse_lidc_xml(reader.read(*entry), name).value();
    const CtSeries series = series_of_reading(reading, nullptr);
    Ledger ledger;
    const SeriesMarks marks = place_reading(reading, series, ledger);
    ASSERT_EQ(expected[name].size(), marks.nodules.size());
    for (std::size_t i = 0; i < marks.nodules.size(); ++i) expect_equal(expected[name][i], marks.nodules[i], series);
    nodules += marks.nodules.size();
  }
  EXPECT_GT(nodules, 60U);
}

/// Prepares LIDC-IDRI-0001 and runs a golden script on the result; what that prints.
std::string compared(const std::string& script, const std::vector<std::string>& settings) {
  const testing::TempDir dir;
  const std::string images = (testing::real_data_dir() / "lidc-idri-0001.zip").string();
  const std::string data = (dir / "data").string();
  std::vector<std::string> argv{(testing::bin_dir() / "pulmo-prepare").string(),
                                "lidc",
                                "--input",
                                images,
                                "--annotations",
                                xml_zip().string(),
                                "--output",
                                data,
                                "--set",
                                "split.mode=none"};
  for (const std::string& setting : settings) argv.insert(argv.end(), {"--set", setting});
  const auto prepared = testing::run_process(argv);
  EXPECT_EQ(prepared.exit_code, 0) << prepared.err;
  const auto golden = (testing::source_dir() / "tests/golden" / script).string();
  const auto python = testing::run_process({testing::python().string(), golden, data, images, xml_zip().string()});
  EXPECT_EQ(python.exit_code, 0) << python.out << python.err;
  return python.out;
}

TEST(RealSeries, SliceTaskEqualsAReferencePipeline) {
  EXPECT_THAT(compared("lidc_slice_task.py", {}), HasSubstr("8 malignant and 8 normal slices equal"));
}

TEST(RealSeries, NodulePatchesEqualAReferencePipeline) {
  EXPECT_THAT(compared("lidc_nodule_task.py", {"task=nodule"}), HasSubstr("8 samples equal"));
}

TEST(RealSeries, NoduleVolumeEqualsAReferencePipeline) {
  EXPECT_THAT(compared("lidc_nodule_task.py", {"task=nodule", "nodule.dimensions=3"}), HasSubstr("1 samples equal"));
}

}  // namespace
}  // namespace pulmo::pipeline
