#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <string>

#include "core/model/script_module.h"
#include "core/model/svm.h"

namespace pulmo {
namespace {

/// One machine as a submodule: support (M,F), coefficients (M), rho, and the Platt scaling.
constexpr const char* kMachineScript = R"(
def forward(self, x: Tensor, gamma: Tensor) -> Tensor:
    products = torch.matmul(x, self.support.t())
    lengths = torch.sum(x * x, [1], True) + torch.sum(self.support * self.support, [1]).unsqueeze(0)
    kernel = torch.exp(-gamma * torch.clamp(lengths - 2.0 * products, 0.0))
    decision = torch.matmul(kernel, self.coefficients) - self.rho
    return -(self.platt_slope * decision + self.platt_offset)
)";

constexpr const char* kTwoClassScript = R"(
def forward(self, features: Tensor) -> Tensor:
    x = (features.double() - self.mean) / self.scale
    score = self.machine0.forward(x, self.gamma)
    return torch.stack([torch.zeros_like(score), score], 1).float()
)";

at::Tensor tensor_of(const std::vector<double>& values) {
  const auto size = static_cast<std::int64_t>(values.size());
  return at::from_blob(const_cast<double*>(values.data()), {size}, at::kDouble).clone();
}

at::Tensor scalar(double value) {
  return tensor_of({value}).squeeze(0);
}

at::Tensor tensor_of(const cv::Mat& rows) {
  at::Tensor result = at::empty({rows.rows, rows.cols}, at::kDouble);
  cv::Mat view(rows.rows, rows.cols, CV_64F, result.data_ptr<double>());
  rows.convertTo(view, CV_64F);
  return result;
}

/// log of the Platt probabilities; the softmax of logarithms divides by their sum.
std::string one_versus_rest_script(std::size_t machines) {
  std::string scores;
  for (std::size_t k = 0; k < machines; ++k) {
    scores += (k == 0 ? "" : ", ") + ("self.machine" + std::to_string(k)) + ".forward(x, self.gamma)";
  }
  return "def forward(self, features: Tensor) -> Tensor:\n"
         "    x = (features.double() - self.mean) / self.scale\n"
         "    scores = torch.stack([" +
         scores +
         "], 1)\n"
         "    return torch.log_sigmoid(scores).float()\n";
}

torch::jit::Module machine_module(const SvmMachine& machine, const std::shared_ptr<torch::jit::CompilationUnit>& unit) {
  torch::jit::Module module = make_script_module("SvmMachine", unit);
  module.register_buffer("support", tensor_of(machine.support));
  module.register_buffer("coefficients", tensor_of(machine.coefficients));
  module.register_buffer("rho", scalar(machine.rho));
  module.register_buffer("platt_slope", scalar(machine.platt.slope));
  module.register_buffer("platt_offset", scalar(machine.platt.offset));
  module.define(kMachineScript);
  return module;
}

}  // namespace

torch::jit::Module svm_to_torchscript(const SvmModel& model) {
  const auto unit = std::make_shared<torch::jit::CompilationUnit>();
  torch::jit::Module root = make_script_module("Svm", unit);
  root.register_buffer("mean", tensor_of(model.mean));
  root.register_buffer("scale", tensor_of(model.scale));
  root.register_buffer("gamma", scalar(model.gamma));
  for (std::size_t k = 0; k < model.machines.size(); ++k) {
    root.register_module("machine" + std::to_string(k), machine_module(model.machines[k], unit));
  }
  root.define(model.classes == 2 ? kTwoClassScript : one_versus_rest_script(model.machines.size()));
  return root;
}

}  // namespace pulmo
