#pragma once

#include <torch/types.h>

namespace pulmo {

/// values (N, in) times weight (out, in) transposed, plus bias (out): at::linear(), and where there are very many
/// inputs in float32, as after the convolutions, by a kernel that reads the weights once for up to 32 samples
/// (dense_kernels.h). Differentiable; there once. The kernel's result of a sample does not depend on its batch, nor on
/// the number of threads.
torch::Tensor dense(const torch::Tensor& values, const torch::Tensor& weight, const torch::Tensor& bias);

}  // namespace pulmo
