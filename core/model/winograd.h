#pragma once

#include <torch/types.h>

namespace pulmo {

/// Whether winograd_convolution() is there for this convolution and quicker than LibTorch's: 3x3, or 3x3x3, on maps in
/// float32, or in bf16 on a processor that does not multiply matrices of them (AMX), of enough channels and pixels.
bool prefers_winograd(const torch::Tensor& maps, const torch::Tensor& weight);

/// The convolution with padding 1 and stride 1 of `maps` (N,C,H,W) by `weight` (K,C,3,3), or of (N,C,D,H,W) by
/// (K,C,3,3,3), plus `bias` (K) unless undefined, all of one type: (N,K,...), channels-last, with a quarter of the
/// plain one's multiplications (winograd_kernels.h). Differentiable, once. Equal to the plain one but for rounding,
/// some 1e-6 of the largest result in float32; a value that is no number reaches the results of its whole tile. Needs
/// channels that are multiples of 16 and have_kernels_for() (kernel_tensors.h). The result does not depend on the
/// number of threads.
torch::Tensor winograd_convolution(const torch::Tensor& maps, const torch::Tensor& weight, const torch::Tensor& bias);

/// relu(maxpool2x2(the above)) of images of 2x2 pixels or more, with a bias: (N,K,H/2,W/2), the same as
/// pool_bias_relu() makes of it (pool_relu.h), the maps between, and their gradient, never written to memory. In bf16
/// the maps are not rounded.
torch::Tensor winograd_pool_relu(const torch::Tensor& maps, const torch::Tensor& weight, const torch::Tensor& bias);

/// Whether convolution() below is one of these: of padding 1 and stride 1, and prefers_winograd().
bool may_be_winograd(const torch::Tensor& maps, const torch::Tensor& weight, at::IntArrayRef stride,
                     at::IntArrayRef padding);

/// The transformed weights, for convolutions of many maps by the same ones; about four times as many values.
torch::Tensor winograd_panels(const torch::Tensor& weight);

/// winograd_convolution() by the panels of a weight (K,C,3,3) or (K,C,3,3,3), without gradients.
torch::Tensor winograd_convolution_of_panels(const torch::Tensor& maps, const torch::Tensor& panels, std::int64_t out,
                                             const torch::Tensor& bias);

/// winograd_pool_relu() likewise.
torch::Tensor winograd_pool_relu_of_panels(const torch::Tensor& maps, const torch::Tensor& panels, std::int64_t out,
                                           const torch::Tensor& bias);

/// at::conv2d() or at::conv3d(), by Winograd's filtering where that is quicker.
torch::Tensor convolution(const torch::Tensor& maps, const torch::Tensor& weight, const torch::Tensor& bias,
                          at::IntArrayRef stride, at::IntArrayRef padding);

}  // namespace pulmo
