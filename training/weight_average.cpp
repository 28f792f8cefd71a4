#include "training/weight_average.h"

#include <torch/utils.h>

#include <algorithm>

#include "core/support/error.h"

namespace pulmo::training {

WeightAverage::WeightAverage(Weights& weights, double decay) : weights_(weights), decay_(decay) {
  if (!exists()) return;
  for (const torch::Tensor& master : weights_.masters()) values_.push_back(master.clone());
}

void WeightAverage::update(std::int64_t steps) {
  if (!exists()) return;
  const torch::NoGradGuard no_gradient;
  const auto t = static_cast<double>(steps);
  const double kept = std::min(decay_, (1.0 + t) / (10.0 + t));
  for (std::size_t i = 0; i < values_.size(); ++i) values_[i].lerp_(weights_.masters()[i], 1.0 - kept);
}

NamedTensors WeightAverage::snapshot() const {
  return weights_.named_copies(values_);
}

void WeightAverage::restore(const NamedTensors& snapshot) {
  if (snapshot.size() != values_.size()) throw InvalidInput("weights", "the average is of another network");
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const auto& [name, value] = snapshot[i];
    if (name != weights_.names()[i] || value.sizes() != values_[i].sizes()) {
      throw InvalidInput("weights", "the average is of another network: " + name);
    }
    values_[i].copy_(value);
  }
}

void WeightAverage::swap() {
  if (exists()) weights_.swap(values_);
}

}  // namespace pulmo::training
