#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/image/preprocess.h"
#include "core/image/slice_decoder.h"
#include "core/support/error.h"

namespace pulmo::fuzz {

// Small, so that the fuzzer spends its time on parsing and not on filling pixels.
inline constexpr DecodeLimits kLimits{.max_side_px = 128, .max_pixels = 128 * 128, .max_frames = 8};

/// Any bytes decode and preprocess, or are refused as InvalidInput.
inline void decode_and_preprocess(ByteView bytes) {
  try {
    PreprocessSpec spec;
    spec.size_px = 64;
    preprocess(decode_slice(bytes, "fuzz", kLimits), spec);
  } catch (const InvalidInput&) {
  }
}

}  // namespace pulmo::fuzz
