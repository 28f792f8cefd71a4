#pragma once

#include <cstdint>
#include <cstring>

#include "core/model/bf16_bits.h"
#include "core/support/vector_lanes.h"

namespace pulmo {

// Beside Floats, as many lanes of what the models' kernels compute with: whole numbers, and bf16 in memory.
using Words = std::int32_t __attribute__((vector_size(kRegisterBytes)));
using Unsigned = std::uint32_t __attribute__((vector_size(kRegisterBytes)));
using Halves = std::uint16_t __attribute__((vector_size(kRegisterBytes / 2)));

PULMO_INLINE Floats load(const Bf16Bits* from) {
  Halves halves;
  std::memcpy(&halves, from, sizeof(halves));
  return reinterpret_cast<Floats>(__builtin_convertvector(halves, Unsigned) << 16U);
}
PULMO_INLINE void store(float* to, const Floats& value) {
  std::memcpy(to, &value, sizeof(value));
}
// All bits of a lane where it is one, none where it is a NaN.
PULMO_INLINE Words is_number(const Floats& value) {
  return value == value;  // NOLINT(misc-redundant-expression)
}
// Round to nearest, ties to even; a NaN keeps its quiet bit.
PULMO_INLINE void store(Bf16Bits* to, const Floats& value) {
  const Unsigned bits = reinterpret_cast<Unsigned>(value);
  const Unsigned rounded = (bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U;
  const Unsigned quiet = (bits >> 16U) | 0x40U;
  const Halves halves = __builtin_convertvector(is_number(value) ? rounded : quiet, Halves);
  std::memcpy(to, &halves, sizeof(halves));
}

}  // namespace pulmo
