#pragma once

#include <torch/types.h>

namespace pulmo {

/// relu(maxpool2x2(conv(images, weight) + bias)), in the least memory traffic that this processor allows: the bias and
/// the ReLU are applied to the pooled maps, a quarter of their work, in the pass that pools; of the maps only one byte
/// a window is kept for the gradient; and a 3x3 layer on one channel, or by Winograd's filtering, never writes its
/// maps. The same values and gradients as the plain layers (bf16: where maps are written they are rounded before the
/// bias is added).
///
/// `images` (N,C,H,W), `weight` (out, C, k, k), `bias` (out), all of one type; stride 1. Returns (N, out, H'/2, W'/2).
torch::Tensor conv_pool_relu(const torch::Tensor& images, const torch::Tensor& weight, const torch::Tensor& bias,
                             std::int64_t padding);

/// relu(maxpool2x2(maps + bias)) of maps (N,C,H,W) in float32 or bf16, C a multiple of 16, on a processor of
/// ProcessorLevel::kV3 or kV4: what conv_pool_relu() does with maps that LibTorch has convolved.
torch::Tensor pool_bias_relu(const torch::Tensor& maps, const torch::Tensor& bias);

/// conv_pool_relu() by LibTorch's own operators, for any type, size and processor.
torch::Tensor conv_pool_relu_plain(const torch::Tensor& images, const torch::Tensor& weight, const torch::Tensor& bias,
                                   std::int64_t padding);

}  // namespace pulmo
