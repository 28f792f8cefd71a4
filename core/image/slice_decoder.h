#pragma once

#include <optional>
#include <string_view>

#include "core/image/dicom.h"
#include "core/image/slice.h"
#include "core/support/bytes.h"

namespace pulmo {

enum class ImageFormat { kDicom, kPng, kJpeg, kUnknown };

/// By the first bytes, never by the name.
ImageFormat sniff_format(ByteView bytes);

/// Decodes PNG (8 or 16 bit), JPEG or DICOM to one slice; colour pictures become grey by BT.601 luma.
/// `intercept_hu`: the picture holds HU minus this intercept (so -1024 for HU + 1024); the slice is then kHounsfield.
/// Without it a picture is kGrey in [0, 1]. DICOM ignores it.
/// Damaged pictures are refused, not filled with grey. The size is read from the header and checked against `limits`
/// before any pixel is unpacked. Throws InvalidInput: unknown_format, truncated_image, too_large, and those of
/// decode_dicom. Thread-safe.
Slice decode_slice(ByteView bytes, std::string_view name, const DecodeLimits& limits = {},
                   std::optional<double> intercept_hu = std::nullopt);

}  // namespace pulmo
