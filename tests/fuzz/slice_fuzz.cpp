#include "core/image/dicom.h"
#include "tests/fuzz/picture_fuzz.h"

/// DICOM in every transfer syntax, and whatever else the first bytes may promise.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const pulmo::ByteView bytes = std::as_bytes(std::span(data, size));
  try {
    pulmo::read_dicom_frames(bytes, "fuzz", pulmo::fuzz::kLimits);
  } catch (const pulmo::InvalidInput&) {
  }
  pulmo::fuzz::decode_and_preprocess(bytes);
  return 0;
}
