#pragma once

#include <cstdint>
#include <vector>

#include "training/options.h"
#include "training/weights.h"

namespace pulmo::training {

/// Adam over the master weights, one pass over memory per step. Not thread-safe.
class Adam {
 public:
  /// `weights` must outlive the optimiser.
  Adam(Weights& weights, const AdamOptions& options);

  /// `gradients` in the order of the weights, of the masters' type or bf16, laid out like the masters.
  void step(const std::vector<torch::Tensor>& gradients, double learning_rate);

  std::int64_t steps() const { return steps_; }
  /// First and second moments by weight name ("first.conv1.weight"); the tensors themselves, not copies.
  NamedTensors moments() const;
  /// Throws InvalidInput("weights") when names or shapes differ.
  void restore(const NamedTensors& moments, std::int64_t steps);

 private:
  void update(std::size_t index, const torch::Tensor& gradient, const struct AdamStep& step);

  Weights& weights_;
  AdamOptions options_;
  std::int64_t steps_ = 0;
  std::vector<torch::Tensor> first_;
  std::vector<torch::Tensor> second_;
};

}  // namespace pulmo::training
