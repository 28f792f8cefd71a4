#include "core/model/ensemble.h"

#include <algorithm>
#include <string>

#include "core/model/script_module.h"
#include "core/support/error.h"
#include "core/support/yaml_reader.h"

namespace pulmo {
namespace {

constexpr const char* kSlicesOfVolumes = R"(
    n = volumes.size(0)
    slices = torch.flatten(torch.transpose(volumes, 1, 2), 0, 1)
    present = torch.amax(slices, [1, 2, 3]).view([n, -1]) > 0
    present = torch.logical_or(present, torch.logical_not(torch.any(present, 1, True)))
    shares = present.to(volumes.dtype)
    shares = torch.unsqueeze(shares / torch.sum(shares, 1, True), 2))";

std::string name_of(std::size_t member) {
  return "member" + std::to_string(member + 1);
}

/// The expression of a member's probabilities (N,K).
std::string probabilities_of(const EnsembleMember& member, std::size_t index, bool of_volumes) {
  const bool by_slices = of_volumes && member.depth == 0;
  const std::string input = by_slices ? "slices" : (of_volumes ? "volumes" : "images");
  const std::string all =
      "torch.softmax(self." + name_of(index) + ".forward(" + input + ") / " + shortest(member.temperature) + ", 1)";
  return by_slices ? "torch.sum(" + all + ".view([n, volumes.size(2), -1]) * shares, 1)" : all;
}

std::string script_of(const std::vector<EnsembleMember>& members, bool of_volumes) {
  std::string text = "\ndef forward(self, " + std::string(of_volumes ? "volumes" : "images") + ": Tensor) -> Tensor:";
  if (of_volumes) text += kSlicesOfVolumes;
  for (std::size_t i = 0; i < members.size(); ++i) {
    text += std::string("\n    p ") + (i == 0 ? "= " : "= p + ") + probabilities_of(members[i], i, of_volumes);
  }
  // Clamped: the logarithm of what float32 rounds to 0.
  return text + "\n    return torch.log(torch.clamp(p / " + std::to_string(members.size()) + ", 1e-12))\n";
}

}  // namespace

std::int64_t ensemble_depth(const std::vector<EnsembleMember>& members) {
  if (members.empty()) throw InvalidInput("configuration", "an ensemble needs a member");
  std::int64_t depth = 0;
  for (const EnsembleMember& member : members) {
    if (member.depth != 0 && depth != 0 && member.depth != depth) {
      throw InvalidInput("configuration", "the members of an ensemble take volumes of " + std::to_string(depth) +
                                              " and of " + std::to_string(member.depth) +
                                              " slices: set one model.stack_slices for all");
    }
    depth = std::max(depth, member.depth);
  }
  return depth;
}

torch::jit::Module ensemble_to_torchscript(const std::vector<EnsembleMember>& members) {
  const bool of_volumes = ensemble_depth(members) > 0;
  torch::jit::Module root = make_script_module("Ensemble", std::make_shared<torch::jit::CompilationUnit>());
  for (std::size_t i = 0; i < members.size(); ++i) root.register_module(name_of(i), members[i].module);
  root.define(script_of(members, of_volumes));
  return root;
}

}  // namespace pulmo
