#pragma once

#include <torch/types.h>

namespace pulmo {

/// A batch normalisation by fixed statistics, each (C): weight and bias, of which gradients are asked, mean and
/// variance. x becomes (x - mean) / sqrt(variance + epsilon) * weight + bias.
struct NormValues {
  torch::Tensor weight, bias, mean, variance;
  double epsilon = 0.0;
};

/// relu(normalised(pieces side by side) + added) in one pass: neither the pieces' concatenation nor the normalised maps
/// are ever written to memory, nor kept for the gradient. The same values and gradients as the plain layers (bf16:
/// rounded once).
///
/// `pieces` (N, C1, ...), (N, C2, ...), ... of one type and otherwise one size, C = C1 + C2 + ...; `added` (N, C, ...)
/// or undefined. Returns (N, C, ...).
torch::Tensor norm_relu(at::TensorList pieces, const NormValues& norm, const torch::Tensor& added = {});

/// As above by LibTorch's own operators, for any type, size, layout and processor.
torch::Tensor norm_relu_plain(at::TensorList pieces, const NormValues& norm, const torch::Tensor& added = {});

}  // namespace pulmo
