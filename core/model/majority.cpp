#include "core/model/majority.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/model/script_module.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

constexpr double kLeastFrequency = 1e-12;  // keeps the logarithm finite

constexpr const char* kScript = R"(
def forward(self, images: Tensor) -> Tensor:
    return self.logits.unsqueeze(0).repeat([images.size(0), 1])
)";

}  // namespace

torch::jit::Module majority_to_torchscript(const std::vector<std::int64_t>& class_counts) {
  const std::int64_t total = std::accumulate(class_counts.begin(), class_counts.end(), std::int64_t{0});
  const bool negative = std::any_of(class_counts.begin(), class_counts.end(), [](std::int64_t n) { return n < 0; });
  if (total < 1 || negative) throw InvalidInput("training_data", "majority row: there are no samples to count");
  at::Tensor logits = at::empty({static_cast<std::int64_t>(class_counts.size())}, at::kFloat);
  for (std::size_t k = 0; k < class_counts.size(); ++k) {
    const double frequency = static_cast<double>(class_counts[k]) / static_cast<double>(total);
    logits.data_ptr<float>()[k] = static_cast<float>(std::log(std::max(kLeastFrequency, frequency)));
  }
  torch::jit::Module module = make_script_module("Majority", std::make_shared<torch::jit::CompilationUnit>());
  module.register_buffer("logits", logits);
  module.define(kScript);
  return module;
}

}  // namespace pulmo
