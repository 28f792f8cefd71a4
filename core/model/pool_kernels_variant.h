#pragma once

#include <cstdint>

#include "core/model/pool_kernels.h"

namespace pulmo {

/// The kernels of pool_kernels.h for values of one type.
template <typename Real>
struct PoolKernelsOf {
  void (*pool)(const Real* maps, const float* bias, const PoolShape& shape, Real* pooled, std::uint8_t* winners);
  void (*pool_backward)(const Real* gradient, const std::uint8_t* winners, const PoolShape& shape, Real* maps_gradient,
                        float* bias_gradient);
  void (*bias_gradient)(const Real* gradient, const std::uint8_t* winners, std::int64_t count, std::int64_t channels,
                        float* bias_gradient);
  void (*conv3_pool)(const float* image, const float* weights, const float* bias, const PoolShape& shape, Real* pooled,
                     std::uint8_t* winners);
  void (*conv3_backward)(const float* image, const Real* gradient, const std::uint8_t* winners, const PoolShape& shape,
                         float* weights_gradient, float* bias_gradient);
};

struct PoolKernels {
  PoolKernelsOf<float> fp32;
  PoolKernelsOf<Bf16Bits> bf16;
};

/// For AVX2 with FMA (x86-64-v3) and for AVX-512 (x86-64-v4).
PoolKernels pool_kernels_v3();
PoolKernels pool_kernels_v4();

}  // namespace pulmo
