#pragma once

#include <cstdint>

namespace pulmo {

/// bf16 is the upper half of a float32.
using Bf16Bits = std::uint16_t;

}  // namespace pulmo
