// Compiled once for each generation of processors (CMakeLists.txt names the flags and PULMO_VARIANT); dense_kernels.cpp
// picks one at run time. Nothing inline from a header may be used here but kernel_lanes.h: the linker keeps one copy of
// an inline function for the whole program, and that copy could hold instructions that an older processor lacks.
#include "core/model/dense_kernels_variant.h"

#include <cstdint>
#include <cstring>

#include "core/model/kernel_lanes.h"

namespace pulmo {
namespace {

constexpr std::int64_t kSamples = 3;  // times kDenseOutputs sums, which stay in registers

/// Adds the products of `count` inputs, lane by lane, to kCount x kDenseOutputs vectors of sums; a sample's are
/// `apart` values from the next one's, its inputs kDenseRow. Asks for what lies `ahead`.
template <std::int64_t kCount>
PULMO_INLINE void add_products(const float* values, const float* weights, std::int64_t in, std::int64_t count,
                               const float* ahead, std::int64_t apart, float* sums) {
  Floats totals[kCount][kDenseOutputs];
#pragma GCC unroll 4
  for (std::int64_t n = 0; n < kCount; ++n) {
#pragma GCC unroll 4
    for (std::int64_t m = 0; m < kDenseOutputs; ++m) totals[n][m] = load(sums + n * apart + m * kLanes);
  }
  for (std::int64_t i = 0; i < count; i += kLanes) {
    Floats rows[kCount];
#pragma GCC unroll 4
    for (std::int64_t n = 0; n < kCount; ++n) rows[n] = load(values + n * kDenseRow + i);
    __builtin_prefetch(ahead + i);
#pragma GCC unroll 4
    for (std::int64_t m = 0; m < kDenseOutputs; ++m) {
      const Floats weight = load(weights + m * in + i);
#pragma GCC unroll 4
      for (std::int64_t n = 0; n < kCount; ++n) totals[n][m] += rows[n] * weight;
    }
  }
#pragma GCC unroll 4
  for (std::int64_t n = 0; n < kCount; ++n) {
#pragma GCC unroll 4
    for (std::int64_t m = 0; m < kDenseOutputs; ++m) store(sums + n * apart + m * kLanes, totals[n][m]);
  }
}

/// Of all samples. Those of the first groups ask for the weights at `next`, of the outputs that follow, a row each.
PULMO_INLINE void add_products_of_all(const float* values, const float* weights, const float* next,
                                      const DenseShape& shape, std::int64_t count, std::int64_t apart, float* sums) {
  std::int64_t n = 0, row = 0;
  for (; n + kSamples <= shape.samples; n += kSamples, ++row) {
    const float* ahead = row < kDenseOutputs ? next + row * shape.in : weights;
    add_products<kSamples>(values + n * kDenseRow, weights, shape.in, count, ahead, apart, sums + n * apart);
  }
  for (; n < shape.samples; ++n, ++row) {
    const float* ahead = row < kDenseOutputs ? next + row * shape.in : weights;
    add_products<1>(values + n * kDenseRow, weights, shape.in, count, ahead, apart, sums + n * apart);
  }
}

PULMO_INLINE float sum_of(const float* lanes) {
  float values[kLanes];
  std::memcpy(values, lanes, sizeof(values));
  for (std::int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::int64_t i = 0; i < half; ++i) values[i] += values[i + half];
  }
  return values[0];
}

void outputs(const float* values, const float* weights, const float* bias, const DenseShape& shape, std::int64_t begin,
             std::int64_t end, float* scratch, float* result) {
  const std::int64_t apart = (end - begin) * kLanes;
  float* piece = scratch;  // side by side: whole rows would lie in the same sets of the cache
  float* sums = scratch + shape.samples * kDenseRow;
  std::memset(sums, 0, static_cast<std::size_t>(shape.samples * apart) * sizeof(float));
  for (std::int64_t first = 0; first < shape.in; first += kDensePiece) {
    const std::int64_t count = first + kDensePiece < shape.in ? kDensePiece : shape.in - first;
    for (std::int64_t n = 0; n < shape.samples; ++n) {
      std::memcpy(piece + n * kDenseRow, values + n * shape.in + first,
                  static_cast<std::size_t>(count) * sizeof(float));
    }
    for (std::int64_t m = begin; m < end; m += kDenseOutputs) {
      const float* now = weights + m * shape.in + first;
      const float* next = m + kDenseOutputs < end ? now + kDenseOutputs * shape.in : now;
      add_products_of_all(piece, now, next, shape, count, apart, sums + (m - begin) * kLanes);
    }
  }
  for (std::int64_t n = 0; n < shape.samples; ++n) {
    for (std::int64_t m = begin; m < end; ++m) {
      result[n * shape.out + m] = bias[m] + sum_of(sums + n * apart + (m - begin) * kLanes);
    }
  }
}

}  // namespace

DenseKernels PULMO_VARIANT_NAME(dense_kernels_, PULMO_VARIANT)() {
  return {outputs};
}

}  // namespace pulmo
