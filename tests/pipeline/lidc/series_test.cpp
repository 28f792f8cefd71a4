#include "pipeline/lidc/series.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>

namespace pulmo::pipeline {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"0.dcm", "1.dcm", "2.dcm", "3.dcm", "4.dcm", "5.dcm"};

DicomHeader header_at(double z, int instance) {
  DicomHeader header;
  header.patient_id = "p";
  header.series_uid = "1.2";
  header.sop_instance_uid = "1.2." + std::to_string(instance);
  header.sop_class_uid = "1.2.840.10008.5.1.4.1.1.2";
  header.modality = "CT";
  header.image_type = "ORIGINAL\\PRIMARY\\AXIAL";
  header.instance_number = instance;
  header.rows = header.columns = 512;
  header.has_position = true;
  header.position_mm = {-100.0, -100.0, z};
  header.row_spacing_mm = header.column_spacing_mm = 0.7;
  header.slice_thickness_mm = 2.5;
  return header;
}

std::vector<SliceRecord> records_at(const std::vector<double>& positions) {
  std::vector<SliceRecord> records;
  for (std::size_t i = 0; i < positions.size(); ++i) {
    records.push_back({static_cast<std::uint32_t>(i), kNames.at(i), header_at(positions[i], static_cast<int>(i) + 1)});
  }
  return records;
}

std::vector<double> positions_of(const CtSeries& series) {
  std::vector<double> positions;
  for (const SeriesSlice& slice : series.slices) positions.push_back(slice.position_mm);
  return positions;
}

TEST(Series, OrdersSlicesFromFeetToHeadWhateverTheirNumbers) {
  Ledger ledger;
  const auto series = assemble_series(records_at({-10, -15, -5, -20}), ledger);
  ASSERT_TRUE(series);
  EXPECT_EQ(positions_of(*series), (std::vector<double>{-20, -15, -10, -5}));
  EXPECT_DOUBLE_EQ(series->slice_spacing_mm, 5.0);
  EXPECT_DOUBLE_EQ(series->relative_height(0), 0.0);
  EXPECT_DOUBLE_EQ(series->relative_height(1), 1.0 / 3.0);
  EXPECT_EQ(ledger.problems().total() + ledger.notes().total(), 0);
}

TEST(Series, KeepsTheSmallerInstanceNumberOfTwoSlicesAtOnePlace) {
  Ledger ledger;
  auto records = records_at({0, 5, 5, 10});
  std::swap(records[1].header.instance_number, records[2].header.instance_number);
  const auto series = assemble_series(records, ledger);
  EXPECT_EQ(positions_of(*series), (std::vector<double>{0, 5, 10}));
  EXPECT_EQ(series->slices[1].sop_uid, "1.2.3");
  EXPECT_EQ(ledger.problems().count("duplicate_position"), 1);
}

TEST(Series, TakesARepeatedInstanceOnce) {
  Ledger ledger;
  auto records = records_at({0, 5, 10});
  records.push_back(records[1]);
  EXPECT_EQ(assemble_series(records, ledger)->slices.size(), 3U);
  EXPECT_EQ(ledger.notes().count("duplicate_instance"), 1);
  EXPECT_EQ(ledger.problems().total(), 0);
}

TEST(Series, ReportsGaps) {
  Ledger ledger;
  const auto series = assemble_series(records_at({0, 5, 10, 20, 25, 40}), ledger);
  EXPECT_EQ(series->gaps, 2);
  EXPECT_EQ(ledger.notes().count("gap"), 2);
}

TEST(Series, LeavesSlicesOfAnotherGeometryOut) {
  Ledger ledger;
  auto records = records_at({0, 5, 10, 15});
  records[1].header.rows = 256;
  records[3].header.row_spacing_mm = 0.9;
  EXPECT_EQ(assemble_series(records, ledger)->slices.size(), 2U);
  EXPECT_EQ(ledger.problems().count("mixed_geometry"), 2);
}

TEST(Series, LeavesSlicesWithoutPositionOut) {
  Ledger ledger;
  auto records = records_at({0, 5, 10});
  records[2].header.has_position = false;
  EXPECT_EQ(assemble_series(records, ledger)->slices.size(), 2U);
  EXPECT_EQ(ledger.problems().entries().at("no_position").examples.at(0),
            "2.dcm: a CT slice has no Image Position (Patient)");
}

TEST(Series, NamesTheSliceThatIsOfAnotherPatientThanMost) {
  Ledger ledger;
  auto records = records_at({0, 5, 10, 15});
  records[0].header.patient_id = records[2].header.patient_id = records[3].header.patient_id = "main";
  EXPECT_FALSE(assemble_series(records, ledger));
  EXPECT_EQ(ledger.problems().entries().at("mixed_patient").examples.at(0),
            "1.dcm: a series of 4 slices is left out: mixed_patient");
}

TEST(Series, ReportsTiltAndMeasuresAlongTheNormal) {
  Ledger ledger;
  auto records = records_at({0, 5, 10});
  const double angle = 10.0 * M_PI / 180.0;
  for (SliceRecord& record : records) {
    record.header.orientation = {1, 0, 0, 0, std::cos(angle), -std::sin(angle)};
  }
  const auto series = assemble_series(records, ledger);
  EXPECT_NEAR(series->tilt_degrees, 10.0, 1e-6);
  EXPECT_NEAR(series->slice_spacing_mm, 5.0 * std::cos(angle), 1e-9);
  EXPECT_EQ(ledger.notes().count("tilted_gantry"), 1);
}

TEST(Series, OrdersProneSlicesFromFeetToHeadToo) {
  Ledger ledger;
  auto records = records_at({0, 5, 10});
  for (SliceRecord& record : records) record.header.orientation = {-1, 0, 0, 0, 1, 0};  // normal towards the feet
  const auto series = assemble_series(records, ledger);
  EXPECT_EQ(series->slices.front().z_mm, 0.0);
  EXPECT_EQ(series->slices.back().z_mm, 10.0);
}

TEST(Series, RefusesCoronalReformatsAndSeriesWithoutOneKnownPatient) {
  const auto reason_of = [](const std::function<void(DicomHeader&)>& change, bool all) {
    Ledger ledger;
    auto records = records_at({0, 5, 10});
    for (SliceRecord& record : records) {
      change(record.header);
      if (!all) break;
    }
    EXPECT_FALSE(assemble_series(records, ledger));
    return ledger.problems().entries().begin()->first;
  };
  EXPECT_EQ(reason_of([](DicomHeader& h) { h.orientation = {1, 0, 0, 0, 0, -1}; }, true), "not_axial");
  EXPECT_EQ(reason_of([](DicomHeader& h) { h.patient_id = ""; }, true), "no_patient");
  EXPECT_EQ(reason_of([](DicomHeader& h) { h.patient_id = "q"; }, false), "mixed_patient");
  EXPECT_EQ(reason_of([](DicomHeader& h) { h.row_spacing_mm = 0; }, true), "no_spacing");
}

TEST(Series, RefusesWhatCannotBeMeasuredOrStored) {
  const auto reason_of = [](const std::function<void(DicomHeader&)>& change) {
    Ledger ledger;
    auto records = records_at({0, 5, 10});
    for (SliceRecord& record : records) change(record.header);
    EXPECT_FALSE(assemble_series(records, ledger));
    return ledger.problems().entries().begin()->first;
  };
  EXPECT_EQ(reason_of([](DicomHeader& h) { h.column_spacing_mm = 0.0007; }), "bad_spacing");  // metres
  EXPECT_EQ(reason_of([](DicomHeader& h) { h.row_spacing_mm = 700; }), "bad_spacing");
  EXPECT_EQ(reason_of([](DicomHeader& h) { h.rows = 65535; }), "too_large");
  EXPECT_EQ(reason_of([](DicomHeader& h) { h.patient_id = "M\xfcller"; }), "not_text");  // Latin 1
  EXPECT_EQ(reason_of([](DicomHeader& h) { h.orientation.fill(1e200); }), "not_axial");  // not a number
}

TEST(SkipReason, TellsSlicesFromEverythingElse) {
  const auto reason = [](const std::function<void(DicomHeader&)>& change) {
    DicomHeader header = header_at(0, 1);
    change(header);
    return skip_reason(header).value_or("none");
  };
  EXPECT_EQ(reason([](DicomHeader&) {}), "none");
  EXPECT_EQ(reason([](DicomHeader& h) { h.image_type = "DERIVED\\SECONDARY\\AXIAL"; }), "none");
  EXPECT_EQ(reason([](DicomHeader& h) { h.modality = "DX"; }), "modality_dx");
  EXPECT_EQ(reason([](DicomHeader& h) { h.modality = ""; }), "modality_unknown");
  EXPECT_EQ(reason([](DicomHeader& h) { h.image_type = "ORIGINAL\\PRIMARY\\LOCALIZER"; }), "localizer");
  EXPECT_EQ(reason([](DicomHeader& h) { h.image_type = "DERIVED\\SECONDARY\\MPR"; }), "derived_reformat");
  EXPECT_EQ(reason([](DicomHeader& h) { h.sop_class_uid = "1.2.840.10008.5.1.4.1.1.7"; }), "secondary_capture");
  EXPECT_EQ(reason([](DicomHeader& h) { h.sop_class_uid = "1.2.840.10008.5.1.4.1.1.88.33"; }), "not_ct_storage");
  for (const char* enhanced : {"1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"}) {
    EXPECT_EQ(reason([&](DicomHeader& h) { h.sop_class_uid = enhanced; }), "none");
  }
}

}  // namespace
}  // namespace pulmo::pipeline
