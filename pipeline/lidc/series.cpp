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

std::string named(const SliceRecord& record, const std::string& problem) {
  return std::string(record.name) + ": " + problem;
}

void drop_incomplete(std::vector<SliceRecord>& records, Ledger& ledger) {
  std::erase_if(records, [&](const SliceRecord& record) {
    if (record.header.sop_instance_uid.empty()) {
      ledger.problem("no_uid", named(record, "a CT slice has no SOP Instance UID"));
      return true;
    }
    if (record.header.has_position) return false;
    ledger.problem("no_position", named(record, "a CT slice has no Image Position (Patient)"));
    return true;
  });
}

void drop_repeated_instances(std::vector<SliceRecord>& records, Ledger& ledger) {
  std::set<std::string> seen;
  std::erase_if(records, [&](const SliceRecord& record) {
    if (seen.insert(record.header.sop_instance_uid).second) return false;
    ledger.note("duplicate_instance", named(record, "this SOP instance is in the input twice; the first is used"));
    return true;
  });
}

void keep_main_geometry(std::vector<SliceRecord>& records, Ledger& ledger) {
  std::map<GeometryKey, std::size_t> counts;
  for (const SliceRecord& record : records) ++counts[geometry_of(record.header)];
  if (counts.size() < 2) return;
  const GeometryKey main = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
                             return a.second < b.second;
                           })->first;
  std::erase_if(records, [&](const SliceRecord& record) {
    if (geometry_of(record.header) == main) return false;
    ledger.problem("mixed_geometry", named(record, "has another size, spacing or orientation than its series"));
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

/// The first slice that is not of the patient whom most are of; null where all are of one.
const SliceRecord* other_patient(const std::vector<SliceRecord>& records) {
  std::map<std::string_view, std::size_t> counts;
  for (const SliceRecord& record : records) ++counts[record.header.patient_id];
  const std::string_view main = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
                                  return a.second < b.second;
                                })->first;
  const auto odd = std::find_if(records.begin(), records.end(),
                                [&](const SliceRecord& record) { return record.header.patient_id != main; });
  return odd == records.end() ? nullptr : &*odd;
}

/// Refuses what cannot be one scan of one patient by one geometry. Returns the reason, empty when all is well.
std::string unusable(const DicomHeader& first) {
  if (!(first.row_spacing_mm > 0.0) || !(first.column_spacing_mm > 0.0)) return "no_spacing";
  if (!plausible(first.row_spacing_mm) || !plausible(first.column_spacing_mm)) return "bad_spacing";
  const DecodeLimits limits;
  if (first.rows > limits.max_side_px || first.columns > limits.max_side_px) return "too_large";
  const double cosine = normal_of(first)[2];
  if (!(cosine >= std::cos(kMaxTiltDegrees * std::numbers::pi / 180.0))) return "not_axial";  // NaN neither
  return "";
}

struct Fault {
  std::string reason;
  const SliceRecord* record;  ///< that shows it
};

std::optional<Fault> fault_of(const std::vector<SliceRecord>& records) {
  const SliceRecord& first = records.front();
  const auto with = [&](auto property) { return std::find_if(records.begin(), records.end(), property); };
  const auto nameless = with([](const SliceRecord& record) { return record.header.patient_id.empty(); });
  if (nameless != records.end()) return Fault{"no_patient", &*nameless};
  if (const SliceRecord* odd = other_patient(records)) return Fault{"mixed_patient", odd};
  const auto unstorable = with([](const SliceRecord& record) { return !storable(record); });
  if (unstorable != records.end()) return Fault{"not_text", &*unstorable};
  const std::string reason = unusable(first.header);
  return reason.empty() ? std::nullopt : std::optional(Fault{reason, &first});
}

void order_slices(std::vector<SliceRecord> records, CtSeries& series, Ledger& ledger) {
  const Vector normal = normal_of(records.front().header);
  const auto along = [&](const SliceRecord& record) {
    const Vector& p = record.header.position_mm;
    return p[0] * normal[0] + p[1] * normal[1] + p[2] * normal[2];
  };
  std::sort(records.begin(), records.end(), [&](const SliceRecord& a, const SliceRecord& b) {
    return std::tuple(along(a), a.header.instance_number, std::string_view(a.header.sop_instance_uid)) <
           std::tuple(along(b), b.header.instance_number, std::string_view(b.header.sop_instance_uid));
  });
  for (SliceRecord& record : records) {
    SeriesSlice slice{record.entry,  record.header.sop_instance_uid, record.header.instance_number,
                      along(record), record.header.position_mm[2],   record.frame};
    if (series.slices.empty() || slice.position_mm - series.slices.back().position_mm >= kSamePlaceMm) {
      series.slices.push_back(std::move(slice));
      continue;
    }
    ledger.problem("duplicate_position", named(record, "lies where another slice does; the smaller number is used"));
    if (slice.instance_number < series.slices.back().instance_number) series.slices.back() = std::move(slice);
  }
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

std::optional<CtSeries> assemble_series(std::vector<SliceRecord> records, Ledger& ledger) {
  drop_incomplete(records, ledger);
  drop_repeated_instances(records, ledger);
  if (records.empty()) return std::nullopt;
  keep_main_geometry(records, ledger);
  if (const auto fault = fault_of(records)) {
    ledger.problem(fault->reason, named(*fault->record, "a series of " + std::to_string(records.size()) +
                                                            " slices is left out: " + fault->reason));
    return std::nullopt;
  }
  const std::string where(records.front().name);
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
  order_slices(std::move(records), series, ledger);
  measure_spacing(where, series, ledger);
  return series;
}

}  // namespace pulmo::pipeline
