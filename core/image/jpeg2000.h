#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/image/dicom_pixels.h"
#include "core/support/bytes.h"

namespace pulmo {

/// Inside core/image only. Unpacks one JPEG 2000 code stream (ISO/IEC 15444-1; also inside a JP2 file) of the size that
/// `layout` says to 32-bit values, and sets the layout's bits accordingly.
/// Throws InvalidInput: truncated_dicom, bad_pixel_format. Thread-safe.
std::vector<std::uint8_t> decode_jpeg2000(ByteView code, std::string_view name, PixelLayout& layout);

}  // namespace pulmo
