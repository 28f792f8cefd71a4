#pragma once

#include <cstdint>
#include <vector>

#include "training/weights.h"

namespace pulmo::training {

/// The moving average of the weights under training (Polyak, Juditsky 1992), which is validated and exported in their
/// place. After step t: average <- d average + (1 - d) weights, d = min(decay, (1 + t) / (10 + t)), the warm-up of
/// TensorFlow's ExponentialMovingAverage: the random first weights are soon forgotten. Kept in the masters' type on
/// their device. Not thread-safe.
class WeightAverage {
 public:
  /// `decay` in [0, 1); 0: there is no average, and nothing below does anything. `weights` must outlive this.
  WeightAverage(Weights& weights, double decay);

  bool exists() const { return decay_ > 0.0; }
  /// After `steps` steps of the run, counted from 1.
  void update(std::int64_t steps);
  /// Copies on the processor, by name; empty without an average.
  NamedTensors snapshot() const;
  /// Throws InvalidInput("weights") when names or shapes differ.
  void restore(const NamedTensors& snapshot);

  /// While it lives, the network computes with the average, and the weights under training are put aside.
  class InUse {
   public:
    explicit InUse(WeightAverage& average) : average_(average) { average_.swap(); }
    ~InUse() { average_.swap(); }
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;

   private:
    WeightAverage& average_;
  };

 private:
  void swap();

  Weights& weights_;
  double decay_;
  std::vector<torch::Tensor> values_;  ///< in the order of the weights
};

}  // namespace pulmo::training
