#pragma once

#include <opencv2/core/mat.hpp>
#include <string_view>

#include "core/image/dicom_object.h"

namespace pulmo {

/// Inside core/image only. How the stored values of a picture lie in its bytes (DICOM PS3.3 C.7.6.3, PS3.5 section 8).
struct StoredPixels {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t frames = 1;
  int bits_allocated = 16;
  int bits_stored = 16;
  int high_bit = 15;
  bool is_signed = false;
  bool inverted = false;  ///< MONOCHROME1: low values are bright
  bool has_padding = false;
  std::int64_t padding_low = 0;   ///< stored values from here ...
  std::int64_t padding_high = 0;  ///< ... to here, both included, stand for "no data"

  std::size_t frame_bytes() const {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns) *
           (static_cast<std::size_t>(bits_allocated) / 8U);
  }
};

/// Reads and checks the description of the pixels against `limits`.
/// Throws InvalidInput: bad_pixel_format, too_large, no_pixel_data, truncated_dicom.
StoredPixels read_pixel_description(DcmDataset& dataset, std::string_view name, const DecodeLimits& limits);

/// The stored values of one frame, sign-extended from bits_stored: (H,W) CV_32SC1.
/// Throws InvalidInput: truncated_dicom, unsupported_transfer_syntax.
cv::Mat read_stored_values(DcmDataset& dataset, std::string_view name, const StoredPixels& pixels, std::int64_t frame);

}  // namespace pulmo
