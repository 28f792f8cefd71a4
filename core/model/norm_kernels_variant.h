#pragma once

#include "core/model/norm_kernels.h"

namespace pulmo {

/// The kernels of norm_kernels.h for values of one type.
template <typename Real>
struct NormKernelsOf {
  void (*forward)(const Real* maps, const NormChannels& channels, const NormShape& shape, const Real* added,
                  Real* result);
  void (*backward)(const Real* maps, const Real* gradient, const NormChannels& channels, const NormShape& shape,
                   const NormAdded<Real>& added, Real* maps_gradient, const NormSums& sums);
};

struct NormKernels {
  NormKernelsOf<float> fp32;
  NormKernelsOf<Bf16Bits> bf16;
};

/// For AVX2 with FMA (x86-64-v3) and for AVX-512 (x86-64-v4).
NormKernels norm_kernels_v3();
NormKernels norm_kernels_v4();

}  // namespace pulmo
