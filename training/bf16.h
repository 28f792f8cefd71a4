#pragma once

#include <bit>
#include <cstdint>

namespace pulmo::training {

/// A bf16 value, the upper half of a float32. Inlined always: the kernels that call these exist once for each
/// generation of processors.
[[gnu::always_inline]] inline float widen_bf16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
}

/// Rounds to the nearest bf16, ties to even. `value` is a number: a NaN's last bits could carry into its exponent.
[[gnu::always_inline]] inline std::uint16_t round_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U);
}

}  // namespace pulmo::training
