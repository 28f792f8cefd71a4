#include "core/model/grad_cam.h"

#include <ATen/ops/linspace.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/upsample_trilinear3d.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <array>
#include <exception>
#include <string_view>

#include "core/model/differentiable.h"
#include "core/support/log.h"

namespace pulmo {
namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

constexpr double kEven = 1e-4;      // of the largest gradient: what rounding may part two places by
constexpr std::int64_t kProbe = 2;  // images: tells maps of images from weights

bool is_convolution(const Node& node) {
  static constexpr std::array<std::string_view, 6> kNames{"aten::conv2d",           "aten::conv3d",
                                                          "aten::_convolution",     "aten::convolution",
                                                          "aten::conv_transpose2d", "aten::conv_transpose3d"};
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

/// (N,M,H,W); of volumes (N,M,D,H,W), or of their slices (N*D,M,H,W).
bool are_maps(const c10::IValue& value, std::int64_t depth) {
  if (!value.isTensor()) return false;
  const torch::Tensor& tensor = value.toTensor();
  if (tensor.dim() < 4 || tensor.size(-1) < 2 || tensor.size(-2) < 2) return false;
  if (tensor.dim() == 5) return depth > 0 && tensor.size(0) == kProbe;
  return tensor.dim() == 4 && (tensor.size(0) == kProbe || tensor.size(0) == kProbe * depth);
}

/// The graph with one output more: the last maps. False when there are none.
bool add_maps(Graph& graph, const torch::jit::Module& module, const BundleMetadata& metadata) {
  const std::vector<Value*> tensors = tensors_of(graph);
  for (Value* value : tensors) graph.registerOutput(value);
  const std::vector<c10::IValue> values =
      run_operators(torch::jit::Code(graph.copy(), "probe"), module, blank_images(metadata, kProbe));
  const auto last = std::find_if(values.rbegin(), values.rend() - 1,  // values[0] are the logits
                                 [&](const c10::IValue& value) { return are_maps(value, metadata.depth); });
  const bool found = last != values.rend() - 1;
  while (graph.outputs().size() > 1) graph.eraseOutput(graph.outputs().size() - 1);
  if (found) graph.registerOutput(tensors.at(static_cast<std::size_t>(values.rend() - last) - 2));
  return found;
}

/// relu(sum of a_m A_m) of each picture or volume: one map (1,...) for each.
torch::Tensor weighted_sum(const torch::Tensor& maps, const torch::Tensor& gradient) {
  std::vector<std::int64_t> places;
  for (std::int64_t axis = 2; axis < maps.dim(); ++axis) places.push_back(axis);
  return (gradient.mean(places, true) * maps.detach()).sum({1}, true).relu();
}

}  // namespace

std::shared_ptr<const GradCam> GradCam::of(const torch::jit::Module& module, const BundleMetadata& metadata) {
  try {
    // Freezing writes out all calls and branches; without folding, so that the maps are those of the file.
    torch::jit::Module frozen = torch::jit::freeze(module, {}, false);
    const std::shared_ptr<Graph> graph = frozen.get_method("forward").graph()->copy();
    if (graph->outputs().size() != 1 || !add_maps(*graph, frozen, metadata)) return nullptr;
    std::shared_ptr<GradCam> made(new GradCam(frozen, torch::jit::Code(graph, "grad_cam")));
    const torch::Tensor image = blank_images(metadata, 1);
    made->map(image, 0);
    made->tells_places_ = made->is_telling(at::linspace(0.0, 1.0, image.numel()).view(image.sizes()));
    return made;
  } catch (const std::exception& error) {  // c10::Error, and what the interpreter throws of its own
    log_warning("the model has no gradients to explain it by", {{"row", metadata.row}, {"error", error.what()}});
    return nullptr;
  }
}

GradCam::Slopes GradCam::slopes(const torch::Tensor& image, std::int64_t k) const {
  const c10::AutoGradMode gradients(true);
  const std::vector<c10::IValue> values = run_operators(code_, module_, image.detach().clone().set_requires_grad(true));
  const torch::Tensor logits = values.at(0).toTensor();
  const torch::Tensor maps = values.at(1).toTensor();
  return {maps, torch::autograd::grad({logits[0][k]}, {maps}).at(0)};
}

bool GradCam::is_telling(const torch::Tensor& image) const {
  const auto [maps, slope] = slopes(image, 0);
  if (maps.size(-1) < kFewestPlaces || maps.size(-2) < kFewestPlaces) return false;
  const torch::Tensor gradient = slope.flatten(2);
  const double largest = gradient.abs().max().item<double>();
  return largest > 0.0 && (gradient.amax(2) - gradient.amin(2)).max().item<double>() <= kEven * largest;
}

cv::Mat GradCam::map(const torch::Tensor& image, std::int64_t k) const {
  const auto [maps, gradient] = slopes(image, k);
  torch::Tensor heat = weighted_sum(maps, gradient);
  const std::int64_t depth = image.dim() == 5 ? image.size(2) : 1;
  const std::int64_t rows = image.size(-2);
  const std::int64_t columns = image.size(-1);
  if (maps.dim() == 5) {
    heat = at::upsample_trilinear3d(heat, {depth, rows, columns}, false);
  } else {
    heat = at::upsample_bilinear2d(heat, {rows, columns}, false).expand({depth, 1, rows, columns});
  }
  return picture_of(heat.reshape({depth * rows, columns}));
}

}  // namespace pulmo
