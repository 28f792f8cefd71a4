#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace pulmo::training {

/// A grey picture (H,W) of 16 bits as a data URI of an 8-bit PNG, for a page that stands alone; a larger one is shrunk
/// by area to `largest_px`, a smaller one not enlarged. Throws std::runtime_error when it cannot be encoded.
std::string png_data_uri(std::span<const std::uint16_t> pixels, std::int64_t height, std::int64_t width,
                         std::int64_t largest_px);

}  // namespace pulmo::training
