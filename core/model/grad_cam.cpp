#include "core/model/grad_cam.h"

#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <string_view>

#include "core/support/log.h"

namespace pulmo {
namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

constexpr std::int64_t kProbe = 2;  // images: tells maps of images from weights

bool is_convolution(const Node& node) {
  static constexpr std::array<std::string_view, 4> kNames{"aten::conv2d", "aten::_convolution", "aten::convolution",
                                                          "aten::conv_transpose2d"};
  return std::find(kNames.begin(), kNames.end(), node.kind().toQualString()) != kNames.end();
}

/// Every tensor that the graph makes from its first convolution on, in order.
std::vector<Value*> tensors_of(Graph& graph) {
  std::vector<Value*> tensors;
  bool seen = false;
  for (Node* node : graph.nodes()) {
    seen = seen || is_convolution(*node);
    if (!seen || node->kind() == torch::jit::prim::Constant) continue;
    for (Value* value : node->outputs()) {
      if (value->type()->isSubtypeOf(*c10::TensorType::get())) tensors.push_back(value);
    }
  }
  return tensors;
}

std::vector<c10::IValue> run(const torch::jit::Code& code, const torch::jit::Module& module,
                             const torch::Tensor& image) {
  torch::jit::Stack stack{module._ivalue(), image};
  torch::jit::InterpreterState(code).run(stack);
  return stack;
}

bool are_maps(const c10::IValue& value) {
  if (!value.isTensor()) return false;
  const torch::Tensor& tensor = value.toTensor();
  return tensor.dim() == 4 && tensor.size(0) == kProbe && tensor.size(2) > 1 && tensor.size(3) > 1;
}

/// The graph with one output more: the last maps. False when there are none.
bool add_maps(Graph& graph, const torch::jit::Module& module, const BundleMetadata& metadata) {
  const std::vector<Value*> tensors = tensors_of(graph);
  for (Value* value : tensors) graph.registerOutput(value);
  const std::int64_t size = metadata.spec.size_px;
  const torch::Tensor probe = at::zeros({kProbe, metadata.channels, size, size});
  const std::vector<c10::IValue> values = run(torch::jit::Code(graph.copy(), "probe"), module, probe);
  const auto last = std::find_if(values.rbegin(), values.rend() - 1, are_maps);  // values[0] are the logits
  const bool found = last != values.rend() - 1;
  while (graph.outputs().size() > 1) graph.eraseOutput(graph.outputs().size() - 1);
  if (found) graph.registerOutput(tensors.at(static_cast<std::size_t>(values.rend() - last) - 2));
  return found;
}

cv::Mat to_picture(const torch::Tensor& map) {
  const torch::Tensor values = map.contiguous();
  cv::Mat picture(static_cast<int>(values.size(-2)), static_cast<int>(values.size(-1)), CV_32FC1);
  std::memcpy(picture.data, values.data_ptr<float>(), static_cast<std::size_t>(values.numel()) * sizeof(float));
  return picture;
}

}  // namespace

std::shared_ptr<const GradCam> GradCam::of(const torch::jit::Module& module, const BundleMetadata& metadata) {
  try {
    // Freezing writes out all calls and branches; without folding, so that the maps are those of the file.
    torch::jit::Module frozen = torch::jit::freeze(module, {}, false);
    const std::shared_ptr<Graph> graph = frozen.get_method("forward").graph()->copy();
    if (graph->outputs().size() != 1 || !add_maps(*graph, frozen, metadata)) return nullptr;
    std::shared_ptr<const GradCam> made(new GradCam(std::move(frozen), torch::jit::Code(graph, "grad_cam")));
    const std::int64_t size = metadata.spec.size_px;
    made->map(at::zeros({1, metadata.channels, size, size}), 0);
    return made;
  } catch (const std::exception& error) {  // c10::Error, and what the interpreter throws of its own
    log_warning("the model has no gradients to explain it by", {{"row", metadata.row}, {"error", error.what()}});
    return nullptr;
  }
}

cv::Mat GradCam::map(const torch::Tensor& image, std::int64_t k) const {
  const c10::AutoGradMode gradients(true);
  const std::vector<c10::IValue> values = run(code_, module_, image.detach().clone().set_requires_grad(true));
  const torch::Tensor logits = values.at(0).toTensor();
  const torch::Tensor maps = values.at(1).toTensor();
  const torch::Tensor gradient = torch::autograd::grad({logits[0][k]}, {maps}).at(0);
  const torch::Tensor weights = gradient.mean({2, 3}, true);
  const torch::Tensor sum = (weights * maps.detach()).sum({1}, true).relu();
  return to_picture(at::upsample_bilinear2d(sum, {image.size(2), image.size(3)}, false));
}

}  // namespace pulmo
