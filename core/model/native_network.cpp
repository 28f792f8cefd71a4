#include "core/model/native_network.h"

#include <ATen/ops/empty.h>
#include <torch/csrc/jit/passes/canonicalize.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "core/support/error.h"

namespace pulmo {
namespace {

/// What its forward() does, and what that calls, as text, whatever its values are called.
std::string code_of(const torch::jit::Module& module) {
  const std::shared_ptr<torch::jit::Graph> graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  return torch::jit::Canonicalize(graph, false)->toString(false);
}

/// As a file would give it back: what a file holds is compiled from printed code. Without the weights.
torch::jit::Module as_loaded(const torch::jit::Module& module) {
  for (torch::jit::Module part : module.modules()) {
    for (const auto& item : part.named_parameters(false)) part.setattr(item.name, at::empty({0}));
    for (const auto& item : part.named_buffers(false)) part.setattr(item.name, at::empty({0}));
  }
  std::stringstream file;
  module.save(file);
  return torch::jit::load(file);
}

using Tensors = std::map<std::string, torch::Tensor>;

Tensors tensors_of(const torch::jit::Module& module) {
  Tensors tensors;
  for (const auto& item : module.named_parameters()) tensors.emplace(item.name, item.value);
  for (const auto& item : module.named_buffers()) tensors.emplace(item.name, item.value);
  return tensors;
}

Tensors tensors_of(const Network& network) {
  Tensors tensors;
  for (const auto& item : network.named_parameters()) tensors.emplace(item.key(), item.value());
  for (const auto& item : network.named_buffers()) tensors.emplace(item.key(), item.value());
  return tensors;
}

bool have_same_shapes(const Tensors& a, const Tensors& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.sizes() == y.second.sizes() &&
           x.second.scalar_type() == y.second.scalar_type();
  });
}

/// With weights that are anything yet. Null for a row that is no network of ours.
std::shared_ptr<Network> network_of(const BundleMetadata& metadata) {
  const std::vector<std::string> names = network_names();
  if (std::find(names.begin(), names.end(), metadata.row) == names.end()) return nullptr;
  try {
    return make_network({.name = metadata.row,
                         .channels = metadata.channels,
                         .depth = metadata.depth,
                         .size_px = metadata.spec.size_px,
                         .classes = static_cast<std::int64_t>(metadata.class_names.size()),
                         .initialised = false});
  } catch (const InvalidInput&) {  // a foreign bundle of that name
    return nullptr;
  }
}

}  // namespace

std::shared_ptr<Network> native_network(const Bundle& bundle) {
  std::shared_ptr<Network> network = network_of(bundle.metadata);
  if (!network) return nullptr;
  const Tensors weights = tensors_of(bundle.module);
  Tensors own = tensors_of(*network);
  if (!have_same_shapes(own, weights)) return nullptr;
  for (auto& [name, tensor] : own) tensor.set_data(weights.at(name));
  if (code_of(as_loaded(to_torchscript(*network))) != code_of(bundle.module)) return nullptr;
  freeze(*network);
  return network;
}

}  // namespace pulmo
