#include "core/model/integrated_gradients.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <exception>

#include "core/model/differentiable.h"
#include "core/support/log.h"

namespace pulmo {
namespace {

constexpr std::int64_t kAtOnce = 8;  // slices of one run, or one volume: bounds the memory for activations

}  // namespace

std::shared_ptr<const IntegratedGradients> IntegratedGradients::of(const torch::jit::Module& module,
                                                                   const BundleMetadata& metadata) {
  try {
    torch::jit::Module frozen = torch::jit::freeze(module, {}, false);
    const std::shared_ptr<torch::jit::Graph> graph = frozen.get_method("forward").graph()->copy();
    std::shared_ptr<const IntegratedGradients> made(
        new IntegratedGradients(frozen, torch::jit::Code(graph, "integrated_gradients")));
    made->map(blank_images(metadata, 1), 0);
    return made;
  } catch (const std::exception& error) {  // c10::Error, and what the interpreter throws of its own
    log_warning("the model has no gradients to integrate", {{"row", metadata.row}, {"error", error.what()}});
    return nullptr;
  }
}

torch::Tensor IntegratedGradients::attributions(const torch::Tensor& image, std::int64_t k,
                                                const std::function<bool()>& keep_on) const {
  const c10::AutoGradMode gradients(true);
  const std::int64_t at_once = image.dim() == 5 ? std::max<std::int64_t>(1, kAtOnce / image.size(2)) : kAtOnce;
  torch::Tensor sum = at::zeros_like(image, at::kDouble);
  for (std::int64_t begin = 0; begin < kIntegrationSteps; begin += at_once) {
    if (keep_on && !keep_on()) return {};
    const std::int64_t end = std::min(begin + at_once, kIntegrationSteps);
    std::vector<std::int64_t> shape(static_cast<std::size_t>(image.dim()), 1);
    shape.front() = end - begin;
    const torch::Tensor shares = (at::arange(begin, end, image.options()) + 0.5) / kIntegrationSteps;
    const torch::Tensor images = (image.detach() * shares.view(shape)).set_requires_grad(true);
    const torch::Tensor logits = run_operators(code_, module_, images).at(0).toTensor();
    sum += torch::autograd::grad({logits.select(1, k).sum()}, {images}).at(0).to(at::kDouble).sum({0}, true);
  }
  return image.detach().to(at::kDouble) * sum / kIntegrationSteps;
}

std::optional<cv::Mat> IntegratedGradients::map(const torch::Tensor& image, std::int64_t k,
                                                const std::function<bool()>& keep_on) const {
  const torch::Tensor all = attributions(image, k, keep_on);
  if (!all.defined()) return std::nullopt;
  const torch::Tensor sums = all[0].sum({0}).clamp_min(0.0);
  return picture_of(sums.reshape({-1, image.size(-1)}));
}

}  // namespace pulmo
