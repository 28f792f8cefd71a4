#pragma once

#include <cstdint>

#include "core/model/bf16_bits.h"

namespace pulmo {

// The functions below need a processor of ProcessorLevel::kV3 or kV4.

/// One batch of maps in memory order N, H, W, C ("channels-last"), and what 2x2 pooling with stride 2 leaves of it:
/// (H/2, W/2), an odd last row or column being dropped. C must be a multiple of 16.
struct PoolShape {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
};

/// Which of the four values of a window won, row by row; the first of equals, as PyTorch's max_pool2d chooses.
/// kNoWinner where the ReLU stopped it, so that no gradient passes.
inline constexpr std::uint8_t kNoWinner = 4;

/// One image: pooled = relu(max over 2x2 of maps + bias), which is relu(maxpool(maps + bias)) since adding a constant
/// keeps the order. `winners` has the shape of `pooled`. NaN stays NaN. No state; any number of threads at once.
void pool_bias_relu(const float* maps, const float* bias, const PoolShape& shape, float* pooled, std::uint8_t* winners);
void pool_bias_relu(const Bf16Bits* maps, const float* bias, const PoolShape& shape, Bf16Bits* pooled,
                    std::uint8_t* winners);

/// The gradient of the above for one image: writes all of `maps_gradient` (zeros included) in one pass, and the bias's
/// gradient (C).
void pool_bias_relu_backward(const float* gradient, const std::uint8_t* winners, const PoolShape& shape,
                             float* maps_gradient, float* bias_gradient);
void pool_bias_relu_backward(const Bf16Bits* gradient, const std::uint8_t* winners, const PoolShape& shape,
                             Bf16Bits* maps_gradient, float* bias_gradient);

/// The bias's gradient (C) alone, of one image's `count` windows.
void pool_bias_gradient(const float* gradient, const std::uint8_t* winners, std::int64_t count, std::int64_t channels,
                        float* bias_gradient);
void pool_bias_gradient(const Bf16Bits* gradient, const std::uint8_t* winners, std::int64_t count,
                        std::int64_t channels, float* bias_gradient);

/// One image of one channel through a 3x3 convolution with padding 1, pooled as above, the maps never written to
/// memory. `image` (H+2, W+2) with its border of zeros; `weights` (9, C), tap by tap; `shape` is that of the maps;
/// `winners` may be null.
void conv3_pool_relu(const float* image, const float* weights, const float* bias, const PoolShape& shape, float* pooled,
                     std::uint8_t* winners);
void conv3_pool_relu(const float* image, const float* weights, const float* bias, const PoolShape& shape,
                     Bf16Bits* pooled, std::uint8_t* winners);

/// The gradients of the weights (9, C) and of the bias (C) of the above. The image's own is not computed.
void conv3_pool_relu_backward(const float* image, const float* gradient, const std::uint8_t* winners,
                              const PoolShape& shape, float* weights_gradient, float* bias_gradient);
void conv3_pool_relu_backward(const float* image, const Bf16Bits* gradient, const std::uint8_t* winners,
                              const PoolShape& shape, float* weights_gradient, float* bias_gradient);

}  // namespace pulmo
