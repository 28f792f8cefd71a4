#pragma once

#include <cstdint>

#include "core/model/kernel_lanes.h"
#include "core/model/winograd_kernels.h"
#include "core/model/winograd_kernels_variant.h"

/// The products of matrices between the transforms of Winograd's filtering, one for each of the 36 points.
namespace pulmo {

// How many rows and vectors of a product stay in registers.
#if defined(__AVX512F__)
constexpr std::int64_t kRows = 12, kVectors = 2;
#else
constexpr std::int64_t kRows = 6, kVectors = 2;
#endif
static_assert(kWinogradTiles % kRows == 0);

/// kCount rows of tiles (T, in), in of all taps, times kWide vectors of weights: (in, 16) panels, side by side. All
/// loops over sums are unrolled, or GCC keeps the sums in memory.
template <std::int64_t kCount, std::int64_t kWide>
PULMO_INLINE void multiply(const float* tiles, const float* weights, std::int64_t in, std::int64_t out, float* result) {
  Floats sums[kCount][kWide];
#pragma GCC unroll 16
  for (std::int64_t t = 0; t < kCount; ++t) {
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kWide; ++v) sums[t][v] = Floats{};
  }
#pragma GCC unroll 4
  for (std::int64_t c = 0; c < in; ++c) {
    Floats row[kWide];
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kWide; ++v) {
      const std::int64_t channel = v * kLanes;
      const std::int64_t panel = channel / kWinogradPanel * in + c;
      row[v] = load(weights + panel * kWinogradPanel + channel % kWinogradPanel);
    }
#pragma GCC unroll 16
    for (std::int64_t t = 0; t < kCount; ++t) {
#pragma GCC unroll 2
      for (std::int64_t v = 0; v < kWide; ++v) sums[t][v] += tiles[t * in + c] * row[v];
    }
  }
#pragma GCC unroll 16
  for (std::int64_t t = 0; t < kCount; ++t) {
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kWide; ++v) store(result + t * out + v * kLanes, sums[t][v]);
  }
}

/// One point of `count` tiles, a multiple of kRows.
PULMO_INLINE void multiply_point(const float* tiles, const float* weights, const WinogradShape& shape,
                                 std::int64_t count, float* result) {
  const std::int64_t in = shape.taps * shape.in;
  std::int64_t k = 0;
  for (; k + kVectors * kLanes <= shape.out; k += kVectors * kLanes) {
    for (std::int64_t t = 0; t < count; t += kRows) {
      multiply<kRows, kVectors>(tiles + t * in, weights + k * in, in, shape.out, result + t * shape.out + k);
    }
  }
  for (; k < shape.out; k += kWinogradPanel) {  // of AVX-512 the last half
    for (std::int64_t t = 0; t < count; t += kRows) {
      multiply<kRows, kWinogradPanel / kLanes>(tiles + t * in, weights + k * in, in, shape.out,
                                               result + t * shape.out + k);
    }
  }
}

/// Adds to, or makes, kCount rows of (taps * in, out): tiles (T, taps * in) transposed times kWide vectors of the
/// gradient (T, out).
template <std::int64_t kCount, std::int64_t kWide>
PULMO_INLINE void add_outer(const float* tiles, const float* gradient, std::int64_t in, std::int64_t out,
                            std::int64_t count, float* result, bool add) {
  Floats sums[kCount][kWide];
#pragma GCC unroll 16
  for (std::int64_t c = 0; c < kCount; ++c) {
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kWide; ++v) sums[c][v] = Floats{};
  }
#pragma GCC unroll 4
  for (std::int64_t t = 0; t < count; ++t) {
    Floats row[kWide];
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kWide; ++v) row[v] = load(gradient + t * out + v * kLanes);
#pragma GCC unroll 16
    for (std::int64_t c = 0; c < kCount; ++c) {
#pragma GCC unroll 2
      for (std::int64_t v = 0; v < kWide; ++v) sums[c][v] += tiles[t * in + c] * row[v];
    }
  }
#pragma GCC unroll 16
  for (std::int64_t c = 0; c < kCount; ++c) {
#pragma GCC unroll 2
    for (std::int64_t v = 0; v < kWide; ++v) {
      float* to = result + c * out + v * kLanes;
      store(to, add ? load(to) + sums[c][v] : sums[c][v]);
    }
  }
}

/// Sixteen rows, in as many pieces as the registers ask for.
template <std::int64_t kWide>
PULMO_INLINE void add_outer_panel(const float* tiles, const float* gradient, std::int64_t in, std::int64_t out,
                                  std::int64_t count, float* result, bool add) {
  std::int64_t c = 0;
  for (; c + kRows <= kWinogradPanel; c += kRows) {
    add_outer<kRows, kWide>(tiles + c, gradient, in, out, count, result + c * out, add);
  }
  add_outer<kWinogradPanel % kRows, kWide>(tiles + c, gradient, in, out, count, result + c * out, add);
}

/// One point's gradient (taps * in, out): adds, or makes, tiles' (count, taps * in) transposed times (count, out).
PULMO_INLINE void add_outer_point(const float* tiles, const float* gradient, const WinogradShape& shape,
                                  std::int64_t count, float* result, bool add) {
  const std::int64_t in = shape.taps * shape.in;
  std::int64_t k = 0;
  for (; k + kVectors * kLanes <= shape.out; k += kVectors * kLanes) {
    for (std::int64_t c = 0; c < in; c += kWinogradPanel) {
      add_outer_panel<kVectors>(tiles + c, gradient + k, in, shape.out, count, result + c * shape.out + k, add);
    }
  }
  for (; k < shape.out; k += kWinogradPanel) {
    for (std::int64_t c = 0; c < in; c += kWinogradPanel) {
      add_outer_panel<kWinogradPanel / kLanes>(tiles + c, gradient + k, in, shape.out, count,
                                               result + c * shape.out + k, add);
    }
  }
}

}  // namespace pulmo
