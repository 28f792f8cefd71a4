#pragma once

#include <ATen/core/Tensor.h>

namespace pulmo::training {

/// How far outlines are from the readers': for each sample the mean binary cross-entropy of its pixels plus one minus
/// the Dice coefficient. Both are least where p is the share of readers, for which the Dice is that of Milletari,
/// Navab, Ahmadi (2016), with squares below the line: 2 sum(p s) / (sum(p^2) + sum(s^2)), and 1 added above and below,
/// for slices without a nodule. `logits` of p and `shares` in [0, 1] are (N,1,H,W); returns (N) float32 (float64 of
/// float64).
torch::Tensor outline_losses(const torch::Tensor& logits, const torch::Tensor& shares);

}  // namespace pulmo::training
