#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "core/model/network.h"

namespace pulmo {

/// Inverted dropout (Srivastava et al. 2014) whose mask is a pure function of (sample seed, layer, unit): unit j of
/// sample i is dropped with probability `rate`, the others are scaled by 1 / (1 - rate). So a sample's mask is the same
/// however the batch is cut among ranks. `values` is (N,F); `layer` tells the layers of a network apart. Without seeds
/// (evaluation) or with rate 0 the values are returned as they are. Throws std::invalid_argument when the seeds are
/// not N, or the rate is not in [0, 1).
torch::Tensor dropout(const torch::Tensor& values, SampleSeeds seeds, std::uint64_t layer, double rate);

}  // namespace pulmo
