#pragma once

#include <cstdint>

#include "core/model/dense_kernels.h"

namespace pulmo {

// Of a call's scratch: inputs whose values and weights stay in a near cache, and the values between two samples' ones.
inline constexpr std::int64_t kDensePiece = 1024;
inline constexpr std::int64_t kDenseRow = kDensePiece + 16;

/// The kernels of dense_kernels.h.
struct DenseKernels {
  void (*outputs)(const float* values, const float* weights, const float* bias, const DenseShape& shape,
                  std::int64_t begin, std::int64_t end, float* scratch, float* result);
};

/// For AVX2 with FMA (x86-64-v3) and for AVX-512 (x86-64-v4).
DenseKernels dense_kernels_v3();
DenseKernels dense_kernels_v4();

}  // namespace pulmo
