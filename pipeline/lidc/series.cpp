#include "pipeline/lidc/series.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <numbers>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "core/store/shard.h"
#include "core/support/error.h"

namespace pulmo::pipeline {
namespace {

constexpr std::string_view kCtStorage = "1.2.840.10008.5.1.4.1.1.2";
constexpr std::string_view kEnhancedCtStorage = "1.2.840.10008.5.1.4.1.1.2.1";
constexpr std::string_view kLegacyConvertedCtStorage = "1.2.840.10008.5.1.4.1.1.2.2";
constexpr std::string_view kSecondaryCapture = "1.2.840.10008.5.1.4.1.1.7";
constexpr double kSamePlaceMm = 0.01;
constexpr double kGapFactor = 1.5;
constexpr double kMaxTiltDegrees = 30.0;
constexpr double kReportTiltDegrees = 0.5;
constexpr double kFinestSpacingMm = 0.01;  // of pixels; CT has 0.1 to 2 mm
constexpr double kWidestSpacingMm = 10.0;

using Vector = std::array<double, 3>;
using GeometryKey = std::tuple<std::int64_t, std::int64_t, std::array<std::int64_t, 8>>;

/// Unit normal of the image plane, pointing to the head.
Vector normal_of(const DicomHeader& header) {
  const auto& o = header.orientation;
  Vector n{o[1] * o[5] - o[2] * o[4], o[2] * o[3] - o[0] * o[5], o[0] * o[4] - o[1] * o[3]};
  const double length = std::hypot(n[0], n[1], n[2]) * (n[2] < 0.0 ? -1.0 : 1.0);
  if (length == 0.0) return {0.0, 0.0, 0.0};
  for (double& component : n) component /= length;
  return n;
}

/// Equal for slices of one geometry: size exactly, spacing and orientation to three decimals.
GeometryKey geometry_of(const DicomHeader& header) {
  std::array<std::int64_t, 8> numbers{};
  for (std::size_t i = 0; i < 6; ++i) numbers[i] = std::llround(header.orientation[i] * 1000.0);
  numbers[6] = std::llround(header.row_spacing_mm * 1000.0);
  numbers[7] = std::llround(header.column_spacing_mm * 1000.0);
  return {header.rows, header.columns, numbers};
}

std::string lower(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      result += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return result.empty() ? "unknown" : result;
}

bool mentions(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

void drop_repeated_instances(std::vector<SliceRecord>& records, const std::string& where, Ledger& ledger) {
  std::set<std::string> seen;
  std::erase_if(records, [&](const SliceRecord& record) {
    if (seen.insert(record.header.sop_instance_uid).second) return false;
    ledger.note("duplicate_instance", where + ": a SOP instance is in the input twice; the first is used");
    return true;
  });
}

void keep_main_geometry(std::vector<SliceRecord>& records, const std::string& where, Ledger& ledger) {
  std::map<GeometryKey, std::size_t> counts;
  for (const SliceRecord& record : records) ++counts[geometry_of(record.header)];
  if (counts.size() < 2) return;
  const GeometryKey main = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
                             return a.second < b.second;
                           })->first;
  std::erase_if(records, [&](const SliceRecord& record) {
    if (geometry_of(record.header) == main) return false;
    ledger.problem("mixed_geometry", where + ": a slice has another size, spacing or orientation than its series");
    return true;
  });
}

bool plausible(double spacing_mm) {
  return spacing_mm >= kFinestSpacingMm && spacing_mm <= kWidestSpacingMm;  // false for NaN
}

bool storable(const SliceRecord& record) {
  const DicomHeader& header = record.header;
  return is_text(header.patient_id) && is_text(header.series_uid) && is_text(header.sop_instance_uid);
}

/// Refuses what cannot be one scan of one patient. Returns the reason, empty when all is well.
std::string unusable(const std::vector<SliceRecord>& records) {
  const DicomHeader& first = records.front().header;
  if (first.patient_id.empty()) return "no_patient";
  const bool one_patient = std::all_of(records.begin(), records.end(), [&](const SliceRecord& record) {
    return record.header.patient_id == first.patient_id;
  });
  if (!one_patient) return "mixed_patient";
  if (!std::all_of(records.begin(), records.end(), storable)) return "not_text";
  if (!(first.row_spacing_mm > 0.0) || !(first.column_spacing_mm > 0.0)) return "no_spacing";
  if (!plausible(first.row_spacing_mm) || !plausible(first.column_spacing_mm)) return "bad_spacing";
  const DecodeLimits limits;
  if (first.rows > limits.max_side_px || first.columns > limits.max_side_px) return "too_large";
  const double cosine = normal_of(first)[2];
  if (!(cosine >= std::cos(kMaxTiltDegrees * std::numbers::pi / 180.0))) return "not_axial";  // NaN neither
  return "";
}

void order_slices(const std::vector<SliceRecord>& records, const std::string& where, CtSeries& series, Ledger& ledger) {
  const Vector normal = normal_of(records.front().header);
  for (const SliceRecord& record : records) {
    const Vector& p = record.header.position_mm;
    series.slices.push_back({record.entry, record.header.sop_instance_uid, record.header.instance_number,
                             p[0] * normal[0] + p[1] * normal[1] + p[2] * normal[2], p[2], record.frame});
  }
  std::sort(series.slices.begin(), series.slices.end(), [](const SeriesSlice& a, const SeriesSlice& b) {
    return std::tie(a.position_mm, a.instance_number, a.sop_uid) <
           std::tie(b.position_mm, b.instance_number, b.sop_uid);
  });
  std::vector<SeriesSlice> kept;
  for (SeriesSlice& slice : series.slices) {
    if (!kept.empty() && slice.position_mm - kept.back().position_mm < kSamePlaceMm) {
      ledger.problem("duplicate_position", where + ": two slices lie at one place; the smaller number is used");
      if (slice.instance_number < kept.back().instance_number) kept.back() = std::move(slice);
    } else {
      kept.push_back(std::move(slice));
    }
  }
  series.slices = std::move(kept);
}

void measure_spacing(const std::string& where, CtSeries& series, Ledger& ledger) {
  std::vector<double> steps;
  for (std::size_t i = 1; i < series.slices.size(); ++i) {
    steps.push_back(series.slices[i].position_mm - series.slices[i - 1].position_mm);
  }
  if (steps.empty()) {
    series.slice_spacing_mm = series.slice_thickness_mm;
    return;
  }
  std::vector<double> sorted = steps;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t half = sorted.size() / 2;
  series.slice_spacing_mm = sorted.size() % 2 == 1 ? sorted[half] : 0.5 * (sorted[half - 1] + sorted[half]);
  for (const double step : steps) {
    if (step > kGapFactor * series.slice_spacing_mm) {
      ++series.gaps;
      ledger.note("gap", where + ": slices are missing, a step of " + std::to_string(step) +
                             " mm where the median is " + std::to_string(series.slice_spacing_mm) + " mm");
    }
  }
}

}  // namespace

double CtSeries::relative_height(std::size_t slice) const {
  const double extent = slices.back().position_mm - slices.front().position_mm;
  return extent > 0.0 ? (slices[slice].position_mm - slices.front().position_mm) / extent : 0.5;
}

std::optional<std::string> skip_reason(const DicomHeader& header) {
  const std::string_view sop_class = header.sop_class_uid;
  if (sop_class.substr(0, kSecondaryCapture.size()) == kSecondaryCapture) return "secondary_capture";
  if (header.modality != "CT") return "modality_" + lower(header.modality);
  if (mentions(header.image_type, {"LOCALIZER", "SCOUT"})) return "localizer";
  if (mentions(header.image_type, {"MPR", "MIP", "REFORMAT", "PROJECTION", "VRT", "3D"})) return "derived_reformat";
  const bool ct = sop_class == kCtStorage || sop_class == kEnhancedCtStorage || sop_class == kLegacyConvertedCtStorage;
  if (!ct) return "not_ct_storage";
  return std::nullopt;
}

std::optional<CtSeries> assemble_series(std::vector<SliceRecord> records, const std::string& where, Ledger& ledger) {
  drop_repeated_instances(records, where, ledger);
  std::erase_if(records, [&](const SliceRecord& record) {
    if (record.header.has_position) return false;
    ledger.problem("no_position", where + ": a CT slice has no Image Position (Patient)");
    return true;
  });
  if (records.empty()) return std::nullopt;
  keep_main_geometry(records, where, ledger);
  if (const std::string reason = unusable(records); !reason.empty()) {
    ledger.problem(reason,
                   where + ": a series of " + std::to_string(records.size()) + " slices is left out: " + reason);
    return std::nullopt;
  }
  const DicomHeader& first = records.front().header;
  CtSeries series;
  series.patient = first.patient_id;
  series.series_uid = first.series_uid;
  series.manufacturer = first.manufacturer;
  series.model = first.manufacturer_model;
  series.rows = first.rows;
  series.columns = first.columns;
  series.row_spacing_mm = first.row_spacing_mm;
  series.column_spacing_mm = first.column_spacing_mm;
  series.slice_thickness_mm = first.slice_thickness_mm;
  series.tilt_degrees = std::acos(std::min(1.0, normal_of(first)[2])) * 180.0 / std::numbers::pi;
  if (series.tilt_degrees > kReportTiltDegrees) {
    ledger.note("tilted_gantry", where + ": tilted by " + std::to_string(series.tilt_degrees) + " degrees");
  }
  order_slices(records, where, series, ledger);
  measure_spacing(where, series, ledger);
  return series;
}

}  // namespace pulmo::pipeline
