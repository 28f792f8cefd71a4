#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <vector>

namespace pulmo {

/// One model of an ensemble.
struct EnsembleMember {
  torch::jit::Module module;  ///< a bundle's: images or volumes to logits (N,K)
  double temperature = 1.0;
  std::int64_t depth = 0;  ///< D of a model of volumes; 0: it takes slices
};

/// A module of the mean of the members' calibrated probabilities, whose logarithm it returns as logits (N,K). Where a
/// member takes volumes (N,C,D,H,W) the ensemble does too, and a member of slices judges each slice that is there: the
/// mean of those probabilities is its own. Throws InvalidInput("configuration") without a member, or when members take
/// volumes of different depths.
torch::jit::Module ensemble_to_torchscript(const std::vector<EnsembleMember>& members);

/// D of the ensemble; 0: it takes slices. Throws likewise.
std::int64_t ensemble_depth(const std::vector<EnsembleMember>& members);

}  // namespace pulmo
