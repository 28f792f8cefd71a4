#pragma once

#include <cstdint>

#include "core/model/winograd_kernels.h"

namespace pulmo {

// Of a call's scratch: it has room for a multiple of so many tiles; and the values between two points.
inline constexpr std::int64_t kWinogradTiles = 12;
inline constexpr std::int64_t kWinogradGap = 16;

/// The kernels of winograd_kernels.h for values of one type.
template <typename Real>
struct WinogradKernelsOf {
  void (*conv)(const WinogradMaps<Real>& maps, const float* weights, const float* bias, const WinogradShape& shape,
               const TileRange& tiles, float* scratch, const WinogradResults<Real>& results);
  void (*weights_gradient)(const Real* maps, const WinogradMaps<Real>& gradient, const WinogradShape& shape,
                           const TileRange& tiles, float* scratch, float* weights_gradient, bool add);
};

struct WinogradKernels {
  void (*transform)(const float* weights, std::int64_t count, float* transformed);
  void (*transform_back)(const float* transformed, std::int64_t count, float* weights);
  WinogradKernelsOf<float> fp32;
  WinogradKernelsOf<Bf16Bits> bf16;
};

/// For AVX2 with FMA (x86-64-v3) and for AVX-512 (x86-64-v4).
WinogradKernels winograd_kernels_v3();
WinogradKernels winograd_kernels_v4();

}  // namespace pulmo
