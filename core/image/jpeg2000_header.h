#pragma once

#include <string_view>

#include "core/image/dicom_pixels.h"
#include "core/support/bytes.h"

namespace pulmo {

/// Inside core/image only. Looks at the headers of a JPEG 2000 code stream (ISO/IEC 15444-1 annex A) before OpenJPEG
/// sets memory aside for what they tell: the picture must be one plane of the layout's size, in no more tiles,
/// precincts and code blocks than pictures are cut into. Throws InvalidInput: truncated_dicom, bad_pixel_format.
/// Thread-safe.
void check_jpeg2000_header(ByteView stream, std::string_view name, const PixelLayout& layout);

}  // namespace pulmo
