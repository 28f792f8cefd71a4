#include "core/model/layers.h"

#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <vector>

#include "core/model/dense.h"
#include "core/model/norm_relu.h"
#include "core/model/pool_relu.h"
#include "core/model/winograd.h"
#include "core/support/seed.h"

namespace pulmo {

Convolution::Convolution(Shape shape)
    : shape_(std::move(shape)),
      weight_(register_parameter("weight", at::empty(shape_.weight, at::kFloat))),
      bias_(shape_.bias ? register_parameter("bias", at::empty({shape_.weight[0]}, at::kFloat)) : torch::Tensor()) {}

bool Convolution::learns() const {
  return c10::GradMode::is_enabled() && !frozen_;
}

bool Convolution::takes_panels(const torch::Tensor& maps) const {
  return frozen_ && may_be_winograd(maps, weight_, shape_.stride, shape_.padding);
}

const torch::Tensor& Convolution::panels() const {
  std::call_once(panels_made_, [this] { panels_ = winograd_panels(weight_); });
  return panels_;
}

torch::Tensor Convolution::forward(const torch::Tensor& maps) const {
  const c10::AutoGradMode mode(learns());
  if (takes_panels(maps)) return winograd_convolution_of_panels(maps, panels(), weight_.size(0), bias_);
  return convolution(maps, weight_, bias_, shape_.stride, shape_.padding);
}

ConvLayer::ConvLayer(std::int64_t in, std::int64_t out, std::int64_t kernel, const Options& options)
    : Convolution({.weight = {out, in, kernel, kernel},
                   .stride = {options.stride, options.stride},
                   .padding = {options.padding, options.padding},
                   .bias = options.bias}) {}

torch::Tensor ConvLayer::forward_pool_relu(const torch::Tensor& images) const {
  const c10::AutoGradMode mode(learns());
  if (takes_panels(images)) return winograd_pool_relu_of_panels(images, panels(), weight().size(0), bias());
  return conv_pool_relu(images, weight(), bias(), shape().padding[0]);
}

FrozenNorm::FrozenNorm(std::int64_t channels)
    : weight_(register_parameter("weight", at::empty({channels}, at::kFloat))),
      bias_(register_parameter("bias", at::empty({channels}, at::kFloat))),
      mean_(register_parameter("running_mean", at::zeros({channels}, at::kFloat), false)),
      variance_(register_parameter("running_var", at::ones({channels}, at::kFloat), false)) {}

void FrozenNorm::take_statistics(const torch::Tensor& maps) const {
  const c10::AutoGradMode no_gradient(false);
  const torch::Tensor values = maps.transpose(0, 1).flatten(1);
  mean_.copy_(values.mean(1));
  variance_.copy_(values.var(1, false));
}

torch::Tensor FrozenNorm::forward(const torch::Tensor& maps) const {
  if (measuring_) take_statistics(maps);
  return at::batch_norm(maps, weight_, bias_, mean_, variance_, false, 0.0, kEpsilon, false);
}

torch::Tensor FrozenNorm::forward_relu(at::TensorList pieces) const {
  if (measuring_) take_statistics(at::cat(pieces, 1));
  return norm_relu(pieces, {weight_, bias_, mean_, variance_, kEpsilon});
}

torch::Tensor FrozenNorm::forward_add_relu(const torch::Tensor& maps, const torch::Tensor& added) const {
  if (measuring_) take_statistics(maps);
  return norm_relu(maps, {weight_, bias_, mean_, variance_, kEpsilon}, added);
}

std::string FrozenNorm::script(const std::string& name, const std::string& input) {
  const std::string norm = "self." + name;
  return "torch.batch_norm(" + input + ", " + norm + ".weight, " + norm + ".bias, " + norm + ".running_mean, " + norm +
         ".running_var, False, 0., 1.0e-05, False)";
}

void FrozenNorm::set_to_identity() {
  const c10::AutoGradMode no_gradient(false);
  weight_.fill_(1.0);
  bias_.zero_();
}

DenseLayer::DenseLayer(std::int64_t in, std::int64_t out)
    : weight_(register_parameter("weight", at::empty({out, in}, at::kFloat))),
      bias_(register_parameter("bias", at::empty({out}, at::kFloat))) {}

torch::Tensor DenseLayer::forward(const torch::Tensor& values) const {
  const c10::AutoGradMode mode(c10::GradMode::is_enabled() && !frozen_);
  if (!factors_ || !c10::GradMode::is_enabled()) return dense(values, weight_, bias_);
  torch::Tensor result = dense(values, weight_.detach(), bias_);
  result.register_hook([kept = factors_, input = values.detach()](const torch::Tensor& gradient) {
    const bool first = !kept->input.defined();
    kept->output_gradient = first ? gradient.detach() : at::cat({kept->output_gradient, gradient.detach()});
    kept->input = first ? input : at::cat({kept->input, input});
  });
  return result;
}

torch::Tensor DenseLayer::forward_maps(const torch::Tensor& maps) const {
  if (!frozen_) return forward(maps.flatten(1));
  const c10::AutoGradMode no_gradient(false);
  std::call_once(reordered_, [&] {
    const std::vector<std::int64_t> sizes = {weight_.size(0), maps.size(1), maps.size(2), maps.size(3)};
    weight_of_maps_ = weight_.detach().view(sizes).permute({0, 2, 3, 1}).flatten(1);
  });
  return dense(maps.permute({0, 2, 3, 1}).flatten(1), weight_of_maps_, bias_);
}

torch::Tensor to_channels_last(const torch::Tensor& images) {
  if (images.size(1) != 1) return images.contiguous(at::MemoryFormat::ChannelsLast);
  const std::int64_t rows = images.size(2);
  const std::int64_t columns = images.size(3);
  return images.contiguous().as_strided(images.sizes(), {rows * columns, 1, columns, 1});
}

void initialise(torch::nn::Module& module, std::uint64_t seed) {
  const c10::AutoGradMode no_gradient(false);
  for (auto& parameter : module.named_parameters()) {
    torch::Tensor& tensor = parameter.value();
    if (!tensor.requires_grad()) continue;
    if (tensor.dim() < 2) {
      tensor.zero_();
      continue;
    }
    const double fan_in = static_cast<double>(tensor.numel()) / static_cast<double>(tensor.size(0));
    const double bound = 1.0 / std::sqrt(fan_in);
    Random random(derive_seed(seed, "init." + parameter.key()));
    torch::Tensor values = at::empty(tensor.sizes(), at::kFloat);
    float* data = values.data_ptr<float>();
    for (std::int64_t i = 0; i < values.numel(); ++i) data[i] = static_cast<float>(random.uniform(-bound, bound));
    tensor.copy_(values);
  }
  for (const auto& part : module.modules()) {
    if (auto* norm = part->as<FrozenNorm>()) norm->set_to_identity();
  }
}

}  // namespace pulmo
