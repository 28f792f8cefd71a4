#pragma once

#include <cstdint>
#include <cstring>

/// The vectors that loops compiled once for each level of processors are written in (pulmo_vector_variants). What is
/// here is inlined by force and so is never a function of its own, of which the linker could keep another level's copy.
#define PULMO_INLINE [[gnu::always_inline]] static inline

/// PULMO_VARIANT_NAME(row_kernels_, PULMO_VARIANT): the name of what such a file exports, row_kernels_v3 for one.
#define PULMO_VARIANT_NAME(name, variant) PULMO_JOINED(name, variant)
#define PULMO_JOINED(name, variant) name##variant

namespace pulmo {

// As wide as a register of this level: GCC takes wider vectors apart value by value wherever it compares.
#if defined(__AVX512F__)
constexpr std::int64_t kRegisterBytes = 64;
#elif defined(__AVX2__)
constexpr std::int64_t kRegisterBytes = 32;
#else
constexpr std::int64_t kRegisterBytes = 16;
#endif
constexpr std::int64_t kLanes = kRegisterBytes / 4;
using Floats = float __attribute__((vector_size(kRegisterBytes)));

PULMO_INLINE Floats load(const float* from) {
  Floats value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

}  // namespace pulmo
