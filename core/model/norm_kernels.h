#pragma once

#include <cstdint>

#include "core/model/bf16_bits.h"

namespace pulmo {

// The functions below need a processor of ProcessorLevel::kV3 or kV4.

/// One piece of one sample's maps in memory order H, W, C ("channels-last"; D, H, W, C of a volume), which becomes some
/// of the channels of a whole. Channels are a multiple of 16.
struct NormShape {
  std::int64_t pixels = 0;
  std::int64_t channels = 0;        ///< of the piece
  std::int64_t whole_channels = 0;  ///< of the whole: how far one pixel of it is from the next
};

/// Of each channel of a piece: x becomes relu(x * scale + shift). `mean` is the normalisation's.
struct NormChannels {
  const float* scale = nullptr;
  const float* shift = nullptr;
  const float* mean = nullptr;
};

/// result = relu(maps * scale + shift + added); `added` is laid out as the whole, null for none. `result` and `added`
/// point at the piece's first channel in the whole. NaN stays NaN. No state; any number of threads at once.
void norm_relu(const float* maps, const NormChannels& channels, const NormShape& shape, const float* added,
               float* result);
void norm_relu(const Bf16Bits* maps, const NormChannels& channels, const NormShape& shape, const Bf16Bits* added,
               Bf16Bits* result);

/// Sums of a piece's pixels for each channel, of the gradient g that passes the ReLU: what the gradients of a
/// normalisation's weight and bias are made of.
struct NormSums {
  float* centred = nullptr;  ///< of g * (x - mean)
  float* plain = nullptr;    ///< of g
};

/// What was added, and where its gradient is written; null for none.
template <typename Real>
struct NormAdded {
  const Real* values = nullptr;
  Real* gradient = nullptr;
};

/// The gradient of the above: writes all of `maps_gradient` (the piece's), that of what was added, and both sums.
/// `gradient` points at the piece's first channel in that of the whole, as what was added and its gradient do.
void norm_relu_backward(const float* maps, const float* gradient, const NormChannels& channels, const NormShape& shape,
                        const NormAdded<float>& added, float* maps_gradient, const NormSums& sums);
void norm_relu_backward(const Bf16Bits* maps, const Bf16Bits* gradient, const NormChannels& channels,
                        const NormShape& shape, const NormAdded<Bf16Bits>& added, Bf16Bits* maps_gradient,
                        const NormSums& sums);

}  // namespace pulmo
