#pragma once

#include <torch/types.h>

namespace pulmo::testing {

/// A leaf of its own with the same values, rounded to `type`; it needs a gradient where the original does.
inline torch::Tensor leaf_copy(const torch::Tensor& tensor, torch::ScalarType type) {
  return tensor.detach().to(type, false, true).requires_grad_(tensor.requires_grad());
}

/// The largest difference, as a part of the largest expected value.
inline double difference(const torch::Tensor& ours, const torch::Tensor& expected) {
  const torch::Tensor reference = expected.to(torch::kDouble);
  return ((ours.to(torch::kDouble) - reference).abs().max() / reference.abs().max()).item<double>();
}

}  // namespace pulmo::testing
