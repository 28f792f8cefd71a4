#include "core/image/jpeg2000.h"
#include "tests/fuzz/picture_fuzz.h"

/// A JPEG 2000 code stream, as it lies in a DICOM frame of 48 x 64 pixels.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pulmo::PixelLayout layout;
  layout.rows = 64;
  layout.columns = 64;
  layout.bits_allocated = 16;
  layout.bits_stored = 12;
  layout.high_bit = 11;
  try {
    pulmo::decode_jpeg2000(std::as_bytes(std::span(data, size)), "fuzz", layout);
  } catch (const pulmo::InvalidInput&) {
  }
  return 0;
}
