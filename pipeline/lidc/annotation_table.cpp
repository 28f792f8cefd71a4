#include "pipeline/lidc/annotation_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>
#include <sstream>

#include "core/support/error.h"
#include "pipeline/input/csv.h"

namespace pulmo::pipeline {
namespace {

constexpr double kAssumedPixelMm = 0.7;
constexpr double kAssumedThicknessMm = 2.5;
constexpr int kImageSide = 512;  // of every LIDC-IDRI series

double positive_number(const CsvTable& table, const CsvRow& row, std::size_t column) {
  const std::string& text = row.fields[column];
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value > 0.0) || !std::isfinite(value)) {
    throw InvalidInput("csv", table.name() + ":" + std::to_string(row.line) + ": '" + text +
                                  "' is no positive number in " + table.columns()[column]);
  }
  return value;
}

const SeriesSpacing* find_spacing(const SeriesFacts& facts, const std::string& series, const std::string& patient) {
  if (const auto at = facts.spacing_of_series.find(series); at != facts.spacing_of_series.end()) return &at->second;
  if (const auto at = facts.spacing_of_patient.find(patient); at != facts.spacing_of_patient.end()) return &at->second;
  return nullptr;
}

/// Largest distance of two points of a mark on one slice, mm.
double diameter_of(const ReaderMark& mark) {
  double largest = 0.0;
  for (const cv::Point3d& a : mark.points_mm) {
    for (const cv::Point3d& b : mark.points_mm) {
      if (a.z == b.z) largest = std::max(largest, std::hypot(a.x - b.x, a.y - b.y));
    }
  }
  return largest;
}

int mode_of(const std::vector<int>& ratings) {
  const auto votes = [&](int rating) { return std::count(ratings.begin(), ratings.end(), rating); };
  return *std::max_element(ratings.begin(), ratings.end(), [&](int a, int b) { return votes(a) < votes(b); });
}

std::string dice_field(const std::optional<double>& dice) {
  if (!dice) return "";
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4f", *dice);
  return text.data();
}

std::string row_of(const Nodule& nodule, const CtSeries& series) {
  std::string ratings;
  double diameter = 0.0;
  for (const ReaderMark& mark : nodule.marks) {
    if (!ratings.empty()) ratings += ';';
    ratings += std::to_string(mark.ratings.malignancy());
    diameter += diameter_of(mark) / static_cast<double>(nodule.marks.size());
  }
  const std::vector<int> all = nodule.malignancies();
  const auto area = consensus_area(nodule, {kImageSide, kImageSide});
  std::int64_t voxels = 0;
  for (const auto& [slice, pixels] : area) voxels += pixels;
  const double voxel_mm3 = series.row_spacing_mm * series.column_spacing_mm * series.slice_spacing_mm;
  const cv::Point3d centre = nodule.centre_mm();
  std::array<char, 256> text{};
  std::snprintf(text.data(), text.size(), "%zu,%s,%.4g,%.4g,%.4g,%d,%.2f,%.2f,%.3f,%.3f,%zu,%lld,%.3f",
                nodule.readers(), ratings.c_str(), consensus_malignancy(all, MalignancyRule::kMedian),
                consensus_malignancy(all, MalignancyRule::kMedianHigh),
                consensus_malignancy(all, MalignancyRule::kMean), mode_of(all), centre.x / series.column_spacing_mm,
                centre.y / series.row_spacing_mm, centre.z, diameter, area.size(), static_cast<long long>(voxels),
                static_cast<double>(voxels) * voxel_mm3);
  return text.data();
}

}  // namespace

void read_patients(std::string_view text, const std::string& name, SeriesFacts& facts) {
  const CsvTable table(text, name);
  const std::size_t patient = table.require("patient");
  const std::size_t series = table.require("series_uid");
  for (const CsvRow& row : table.rows()) facts.patient_of_series[row.fields[series]] = row.fields[patient];
}

void read_spacings(std::string_view text, const std::string& name, SeriesFacts& facts) {
  const CsvTable table(text, name);
  const std::size_t pixel = table.require("pixel_spacing");
  const std::size_t thickness = table.require("slice_thickness");
  const auto series = table.find("series_uid");
  const auto nodule = table.find("nodule_id");
  const std::size_t patient = series || nodule ? 0 : table.require("patient");
  for (const CsvRow& row : table.rows()) {
    const SeriesSpacing spacing{positive_number(table, row, pixel), positive_number(table, row, thickness)};
    if (series) {
      facts.spacing_of_series[row.fields[*series]] = spacing;
    } else if (nodule) {
      const std::string& id = row.fields[*nodule];
      facts.spacing_of_patient[id.substr(0, id.rfind('-'))] = spacing;
    } else {
      facts.spacing_of_patient[row.fields[patient]] = spacing;
    }
  }
}

CtSeries series_of_reading(const LidcReading& reading, const SeriesSpacing* spacing) {
  std::map<double, std::string> positions;  // with one of their SOP UIDs
  for (const LidcSession& session : reading.sessions) {
    for (const LidcNoduleMark& mark : session.nodules) {
      for (const LidcRoi& roi : mark.rois) positions.emplace(roi.z_mm, roi.sop_uid);
    }
    for (const LidcNonNodule& mark : session.non_nodules) positions.emplace(mark.z_mm, mark.sop_uid);
  }
  CtSeries series;
  series.series_uid = reading.series_uid;
  series.rows = series.columns = kImageSide;
  std::optional<double> step;
  for (const auto& [z, uid] : positions) {
    if (!series.slices.empty()) {
      const double gap = z - series.slices.back().z_mm;
      step = step ? std::min(*step, gap) : gap;
    }
    series.slices.push_back({0, uid, 0, z, z});
  }
  series.row_spacing_mm = series.column_spacing_mm = spacing != nullptr ? spacing->pixel_mm : kAssumedPixelMm;
  series.slice_spacing_mm = step.value_or(kAssumedThicknessMm);
  series.slice_thickness_mm = spacing != nullptr ? spacing->slice_thickness_mm : series.slice_spacing_mm;
  return series;
}

AnnotationTable annotation_table(const std::map<std::string, LidcReading>& readings, const SeriesFacts& facts,
                                 Ledger& ledger) {
  AnnotationTable table;
  table.csv =
      "series_uid,patient,nodule,readers,malignancies,malignancy_median,malignancy_median_high,malignancy_mean,"
      "malignancy_mode,x_px,y_px,z_mm,diameter_mm,slices,consensus_voxels,consensus_volume_mm3,spacing,reader_dice\n";
  double sum = 0.0;
  for (const auto& [uid, reading] : readings) {
    const auto known = facts.patient_of_series.find(uid);
    const std::string patient = known == facts.patient_of_series.end() ? "" : known->second;
    const SeriesSpacing* spacing = find_spacing(facts, uid, patient);
    const CtSeries series = series_of_reading(reading, spacing);
    const SeriesMarks marks = place_reading(reading, series, ledger);
    for (std::size_t i = 0; i < marks.nodules.size(); ++i) {
      const Nodule& nodule = marks.nodules[i];
      const auto dice = reader_dice(nodule, {kImageSide, kImageSide});
      std::ostringstream row;
      row << uid << ',' << csv_field(patient) << ',' << i + 1 << ',' << row_of(nodule, series) << ','
          << (spacing != nullptr ? "table" : "assumed") << ',' << dice_field(dice) << '\n';
      table.csv += row.str();
      if (!dice || nodule.readers() < kReadersOfAgreement) continue;
      ++table.compared;
      sum += *dice;
    }
  }
  if (table.compared > 0) table.mean_reader_dice = sum / static_cast<double>(table.compared);
  return table;
}

}  // namespace pulmo::pipeline
