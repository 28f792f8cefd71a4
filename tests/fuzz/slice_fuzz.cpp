#include <cstdint>
#include <span>

#include "core/image/dicom.h"
#include "core/image/preprocess.h"
#include "core/image/slice_decoder.h"
#include "core/support/error.h"

namespace {

// Small, so that the fuzzer spends its time on parsing and not on filling pixels.
constexpr pulmo::DecodeLimits kLimits{.max_side_px = 128, .max_pixels = 128 * 128, .max_frames = 8};

}  // namespace

/// DICOM in every transfer syntax, PNG and JPEG: any bytes decode or are refused as InvalidInput.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const pulmo::ByteView bytes = std::as_bytes(std::span(data, size));
  try {
    pulmo::read_dicom_frames(bytes, "fuzz", kLimits);
  } catch (const pulmo::InvalidInput&) {
  }
  try {
    pulmo::PreprocessSpec spec;
    spec.size_px = 64;
    pulmo::preprocess(pulmo::decode_slice(bytes, "fuzz", kLimits), spec);
  } catch (const pulmo::InvalidInput&) {
  }
  return 0;
}
