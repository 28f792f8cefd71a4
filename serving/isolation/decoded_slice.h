#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/image/dicom.h"
#include "core/image/slice.h"
#include "core/support/bytes.h"

namespace pulmo::serving {

/// Where a DICOM slice lies, and in which series.
struct SlicePlace {
  std::string series;  ///< SHA-256 of the SeriesInstanceUID, hex; empty when the object names none
  std::int64_t instance_number = 0;
  std::int64_t frames = 1;  ///< of the object; the first one is decoded
  bool has_position = false;
  std::array<double, 3> position_mm{};                  ///< Image Position (Patient)
  std::array<double, 6> orientation{1, 0, 0, 0, 1, 0};  ///< Image Orientation (Patient)
  double slice_thickness_mm = 0.0;                      ///< 0 when unknown
};

/// All that the service takes from a file: this, and no more, crosses the border of a decoder process. It holds no
/// patient identifier.
struct DecodedSlice {
  Slice slice;
  bool dicom = false;
  bool lossy = false;  ///< a JPEG picture
  SlicePlace place;    ///< of DICOM
};

/// Decodes PNG, JPEG or DICOM in this process. Throws as decode_slice(). Thread-safe.
DecodedSlice decode_here(ByteView bytes, std::string_view name, const DecodeLimits& limits);

}  // namespace pulmo::serving
