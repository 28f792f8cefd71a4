#pragma once

#include <cstdint>
#include <cstring>

#include "core/model/bf16_bits.h"

/// The vectors that the variants of kernels are written in (pulmo_vector_variants). Everything here is inlined by force
/// and so is never a function of its own, of which the linker could keep another variant's copy.
#define PULMO_INLINE [[gnu::always_inline]] static inline

namespace pulmo {

// As many lanes as a register of this variant holds: GCC takes wider vectors apart value by value wherever it compares.
#ifdef __AVX512F__
constexpr std::int64_t kLanes = 16;
#else
constexpr std::int64_t kLanes = 8;
#endif
using Floats = float __attribute__((vector_size(4 * kLanes)));
using Words = std::int32_t __attribute__((vector_size(4 * kLanes)));
using Unsigned = std::uint32_t __attribute__((vector_size(4 * kLanes)));
using Halves = std::uint16_t __attribute__((vector_size(2 * kLanes)));

PULMO_INLINE Floats load(const float* from) {
  Floats value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
PULMO_INLINE Floats load(const Bf16Bits* from) {
  Halves halves;
  std::memcpy(&halves, from, sizeof(halves));
  return reinterpret_cast<Floats>(__builtin_convertvector(halves, Unsigned) << 16U);
}
PULMO_INLINE void store(float* to, const Floats& value) {
  std::memcpy(to, &value, sizeof(value));
}
// Round to nearest, ties to even; a NaN keeps its quiet bit.
PULMO_INLINE void store(Bf16Bits* to, const Floats& value) {
  const Unsigned bits = reinterpret_cast<Unsigned>(value);
  const Unsigned rounded = (bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U;
  const Unsigned quiet = (bits >> 16U) | 0x40U;
  const Halves halves = __builtin_convertvector(value == value ? rounded : quiet, Halves);
  std::memcpy(to, &halves, sizeof(halves));
}

}  // namespace pulmo
