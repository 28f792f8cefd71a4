#pragma once

#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "core/image/dicom_object.h"

namespace pulmo {

/// Inside core/image only. How the stored values of a picture lie in its bytes (DICOM PS3.3 C.7.6.3, PS3.5 section 8).
struct PixelLayout {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t frames = 1;
  int bits_allocated = 16;  ///< 8, 16 or 32
  int bits_stored = 16;     ///< at most 31 when unsigned
  int high_bit = 15;
  bool is_signed = false;
  /// Stored values from low to high, both included, stand for "no data"; low > high when there are none.
  std::int64_t padding_low = 1;
  std::int64_t padding_high = 0;

  std::size_t pixels() const { return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns); }
  std::size_t frame_bytes() const { return pixels() * static_cast<std::size_t>(bits_allocated / 8); }
};

/// Reads the description of the pixels and checks it against `limits`.
/// Throws InvalidInput: bad_pixel_format, too_large.
PixelLayout read_pixel_layout(DcmDataset& dataset, std::string_view name, const DecodeLimits& limits);

/// The bytes of one frame, at least `layout.frame_bytes()` of them.
struct FrameBytes {
  std::vector<std::uint8_t> unpacked;    ///< empty where the object holds them as they are
  std::span<const std::uint8_t> values;  ///< of `unpacked`, or of the object, which must outlive them

  explicit FrameBytes(std::vector<std::uint8_t> own) : unpacked(std::move(own)), values(unpacked) {}
  explicit FrameBytes(std::span<const std::uint8_t> of_object) : values(of_object) {}
  FrameBytes(FrameBytes&&) noexcept = default;  // a vector keeps its bytes where they are when it is moved
  FrameBytes& operator=(FrameBytes&&) noexcept = default;
};

/// Unpacked pixels of one frame, in this machine's byte order. Unpacking may change bits_allocated, bits_stored and
/// high_bit of `layout`.
/// Throws InvalidInput: no_pixel_data, truncated_dicom, bad_pixel_format, unsupported_transfer_syntax, too_large.
FrameBytes read_frame(DicomObject& object, std::string_view name, PixelLayout& layout, std::int64_t frame);

}  // namespace pulmo
