#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace pulmo {

/// "64 x 3 x 7 x 7", as errors tell it; "one number" of no extents.
std::string shape_text(std::span<const std::int64_t> extents);

}  // namespace pulmo
