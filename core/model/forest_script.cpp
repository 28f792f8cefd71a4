#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include "core/model/forest.h"
#include "core/model/script_module.h"

namespace pulmo {
namespace {

/// All samples walk all trees together, one level a turn.
constexpr const char* kScript = R"(
def forward(self, features: Tensor) -> Tensor:
    node = self.roots.unsqueeze(0).repeat([features.size(0), 1])
    for level in range(self.depth):
        value = torch.gather(features, 1, self.feature[node])
        node = torch.where(value <= self.threshold[node], self.left[node], self.right[node])
    chosen = self.vote[node]
    votes = []
    for k in range(self.classes):
        votes.append(torch.sum(torch.eq(chosen, k), [1]).double() + 0.5)
    trees = float(self.roots.size(0))
    return torch.log(torch.stack(votes, 1) / (trees + 0.5 * float(self.classes))).float()
)";

at::Tensor tensor_of(const std::vector<std::int64_t>& values) {
  const auto size = static_cast<std::int64_t>(values.size());
  return at::from_blob(const_cast<std::int64_t*>(values.data()), {size}, at::kLong).clone();
}

at::Tensor tensor_of(const std::vector<float>& values) {
  const auto size = static_cast<std::int64_t>(values.size());
  return at::from_blob(const_cast<float*>(values.data()), {size}, at::kFloat).clone();
}

}  // namespace

torch::jit::Module forest_to_torchscript(const ForestModel& model) {
  torch::jit::Module module = make_script_module("Forest", std::make_shared<torch::jit::CompilationUnit>());
  module.register_buffer("roots", tensor_of(model.roots));
  module.register_buffer("feature", tensor_of(model.feature));
  module.register_buffer("threshold", tensor_of(model.threshold));
  module.register_buffer("left", tensor_of(model.left));
  module.register_buffer("right", tensor_of(model.right));
  module.register_buffer("vote", tensor_of(model.vote));
  module.register_attribute("depth", c10::IntType::get(), static_cast<std::int64_t>(model.depth));
  module.register_attribute("classes", c10::IntType::get(), static_cast<std::int64_t>(model.classes));
  module.define(kScript);
  return module;
}

}  // namespace pulmo
