#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/image/slice.h"
#include "core/support/bytes.h"

namespace pulmo {

/// What a CT image object says of itself (DICOM PS3.3 C.7.6, C.8.2.1). Empty text and zero stand for "absent".
/// Never log `patient_id`, or any UID, together with data that leaves the site.
struct DicomHeader {
  std::string patient_id;
  std::string study_uid;
  std::string series_uid;
  std::string sop_instance_uid;
  std::string sop_class_uid;
  std::string modality;
  std::string image_type;  ///< backslash-separated, as stored
  std::string manufacturer;
  std::string manufacturer_model;
  std::string transfer_syntax_uid;
  std::int64_t instance_number = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t frames = 1;
  bool has_position = false;
  std::array<double, 3> position_mm{};                  ///< Image Position (Patient)
  std::array<double, 6> orientation{1, 0, 0, 0, 1, 0};  ///< Image Orientation (Patient)
  double row_spacing_mm = 0.0;
  double column_spacing_mm = 0.0;
  double slice_thickness_mm = 0.0;
  double rescale_slope = 1.0;
  double rescale_intercept = 0.0;
  std::string rescale_type;  ///< empty: not told

  /// Position along the normal of the image plane, mm. 0 when has_position is false.
  double position_along_normal_mm() const;
};

/// What one decoded picture may cost. Checked on the header, before any pixel is unpacked.
struct DecodeLimits {
  std::int64_t max_side_px = 4096;
  std::int64_t max_pixels = 16'777'216;
  std::int64_t max_frames = 4096;
};

/// True when the bytes look like a DICOM Part 10 file (or a bare data set), by their first bytes.
bool looks_like_dicom(ByteView bytes);

/// Reads the header only; pixel data need not be there. `name` stands for the file in messages. Of an Enhanced CT,
/// position, orientation, spacing and rescale are those of the first frame. A rescale value that is there but no number
/// is NaN. Throws InvalidInput: not_dicom, truncated_dicom, too_large. Thread-safe.
DicomHeader read_dicom_header(ByteView bytes, std::string_view name);

/// The same for every frame of an object, in the file's order: position, orientation, spacing and rescale are those
/// that its functional groups say of it (PS3.3 C.7.6.16), else those of the whole object. One header for an object of a
/// single frame. Throws as read_dicom_header(), and too_large for more frames than `limits` allow. Thread-safe.
std::vector<DicomHeader> read_dicom_frames(ByteView bytes, std::string_view name, const DecodeLimits& limits = {});

/// Decodes frame `frame` (0-based) of a CT image to HU with its own rescale slope and intercept. Pixels of the padding
/// value become -1000 HU (air) at most. MONOCHROME1 changes nothing: it tells how to show the values (PS3.3
/// C.7.6.3.1.2). Transfer syntaxes: implicit, explicit and big endian, deflated, RLE, JPEG, JPEG-LS, JPEG 2000. Throws
/// InvalidInput: not_dicom, truncated_dicom, wrong_modality, localizer, no_pixel_data, too_large, bad_pixel_format,
/// unsupported_transfer_syntax, no_such_frame. `header`, when given, receives what the object says of that frame.
/// Thread-safe.
Slice decode_dicom(ByteView bytes, std::string_view name, const DecodeLimits& limits = {}, std::int64_t frame = 0,
                   DicomHeader* header = nullptr);

}  // namespace pulmo
