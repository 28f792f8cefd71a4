#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/image/dicom.h"
#include "pipeline/run/ledger.h"

namespace pulmo::pipeline {

/// The header of one CT slice and where its pixels are.
struct SliceRecord {
  std::uint32_t entry = 0;  ///< index into the ByteSource's entries
  std::string_view name;    ///< of that entry, which must outlive this, for messages
  DicomHeader header;
  std::int64_t frame = 0;  ///< of that file, 0-based
};

/// One slice of an assembled series.
struct SeriesSlice {
  std::uint32_t entry = 0;
  std::string sop_uid;  ///< with "#1", "#2", ... for the frames of an object of several
  std::int64_t instance_number = 0;
  double position_mm = 0.0;  ///< along the normal, growing towards the head
  double z_mm = 0.0;         ///< patient z of the image position, what LIDC calls imageZposition
  std::int64_t frame = 0;    ///< of that file, 0-based
};

/// One CT series with one geometry, ordered along its normal.
struct CtSeries {
  std::string patient;
  std::string series_uid;
  std::string manufacturer;
  std::string model;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  double row_spacing_mm = 0.0;     ///< between rows
  double column_spacing_mm = 0.0;  ///< between columns
  double slice_thickness_mm = 0.0;
  double slice_spacing_mm = 0.0;    ///< median distance of neighbouring slices; the thickness for a single slice
  double tilt_degrees = 0.0;        ///< angle between the normal and the patient's z axis
  std::int64_t gaps = 0;            ///< neighbours further apart than 1.5 times the median distance
  std::vector<SeriesSlice> slices;  ///< positions ascending, all different

  /// Where a slice lies between the lowest (0) and the highest (1) of the series; 0.5 for a single slice.
  double relative_height(std::size_t slice) const;
};

/// Why a DICOM object is no slice of a CT series, or nullopt when it is one (or several frames of one):
/// modality_<name>, secondary_capture, localizer, derived_reformat, not_ct_storage. Pure function.
std::optional<std::string> skip_reason(const DicomHeader& header);

/// Makes one series of records that share a SeriesInstanceUID, at least one. Left out as problems, which name the file:
/// no_uid, no_position, mixed_geometry (another size, spacing or orientation than most slices of the series),
/// duplicate_position (of two slices at one place the smaller instance number stays). duplicate_instance (a SOP
/// instance that is there twice) is left out with a note; gap and tilted_gantry are notes.
/// nullopt, and a problem: no_patient, mixed_patient, not_text (an ID that is no UTF-8), no_spacing, bad_spacing
/// (pixels of less than 0.01 or more than 10 mm), too_large, not_axial (normal more than 30 degrees off the z axis).
/// Pure function but for the ledger.
std::optional<CtSeries> assemble_series(std::vector<SliceRecord> records, Ledger& ledger);

}  // namespace pulmo::pipeline
