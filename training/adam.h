#pragma once

#include <cstdint>
#include <vector>

#include "training/adam_kernel.h"
#include "training/options.h"
#include "training/weights.h"

namespace pulmo::training {

/// How fast one weight learns, and since when: Adam's correction for its first steps counts from there.
struct LearningPace {
  double rate_scale = 1.0;
  std::int64_t since_step = 0;
};

/// The same update as adam_update() by LibTorch's own operators, on any device; all tensors of one shape. `gradient`
/// may be bf16; a bf16 `parameter` gets the rounded master, any other is the master itself.
void adam_update_plain(torch::Tensor& master, const torch::Tensor& first, const torch::Tensor& second,
                       const torch::Tensor& gradient, torch::Tensor& parameter, const AdamStep& step);

/// Adam over the master weights: on the processor one pass over memory per step. Not thread-safe.
class Adam {
 public:
  /// `weights` must outlive the optimiser.
  /// One pace a weight; none: all learn alike from the first step.
  Adam(Weights& weights, const AdamOptions& options, std::vector<LearningPace> paces = {});

  /// `gradients` in the order of the weights, of the masters' type or bf16, laid out like the masters; weights without
  /// one (an undefined tensor) stay as they are.
  void step(const std::vector<torch::Tensor>& gradients, double learning_rate);

  std::int64_t steps() const { return steps_; }
  /// First and second moments by weight name ("first.conv1.weight"); the tensors themselves, not copies.
  NamedTensors moments() const;
  /// Throws InvalidInput("weights") when names or shapes differ.
  void restore(const NamedTensors& moments, std::int64_t steps);

 private:
  AdamStep numbers_of(const LearningPace& pace, double learning_rate) const;
  void update(std::size_t index, const torch::Tensor& gradient, const AdamStep& step);

  Weights& weights_;
  AdamOptions options_;
  std::vector<LearningPace> paces_;
  std::int64_t steps_ = 0;
  std::vector<torch::Tensor> first_;
  std::vector<torch::Tensor> second_;
};

}  // namespace pulmo::training
