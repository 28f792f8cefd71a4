#pragma once

#include <cstdint>
#include <optional>

#include "core/support/bytes.h"

namespace pulmo {

/// Inside core/image only: what a PNG or JPEG says of itself, read without unpacking a pixel.
struct PictureHeader {
  std::int64_t width = 0;
  std::int64_t height = 0;
  int bits = 8;
  int channels = 1;
  int scans = 1;          ///< of a JPEG; progressive ones have several
  bool complete = false;  ///< the end mark (PNG IEND, JPEG EOI) is there
};

/// A progressive JPEG costs a pass over all its pixels per scan; encoders write ten or so, hostile ones thousands.
inline constexpr int kMaxJpegScans = 100;

/// PNG, ISO/IEC 15948. nullopt when there is no IHDR. `complete` says that every chunk's CRC is right, too.
std::optional<PictureHeader> read_png_header(ByteView bytes);
/// The chunks of a complete PNG that make its pixels: texts, profiles and transparency change none, can unpack to any
/// size, and make libpng print.
Bytes essential_png(ByteView bytes);
/// JPEG and JPEG-LS, ITU-T T.81 annex B. nullopt when there is no frame header.
std::optional<PictureHeader> read_jpeg_header(ByteView bytes);

}  // namespace pulmo
