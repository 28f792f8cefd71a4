#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cstddef>
#include <vector>

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

/// The gradient of each of `ours` is that of its twin.
inline void expect_same_gradients(const std::vector<torch::Tensor>& ours, const std::vector<torch::Tensor>& twins,
                                  double tolerance) {
  ASSERT_EQ(ours.size(), twins.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    EXPECT_LT(difference(ours[i].grad(), twins[i].grad()), tolerance) << "tensor " << i;
  }
}

}  // namespace pulmo::testing
