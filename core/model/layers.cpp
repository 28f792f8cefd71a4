#include "core/model/layers.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <vector>

#include "core/model/pool_relu.h"
#include "core/support/seed.h"

namespace pulmo {

ConvLayer::ConvLayer(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t padding)
    : weight_(register_parameter("weight", at::empty({out, in, kernel, kernel}, at::kFloat))),
      bias_(register_parameter("bias", at::empty({out}, at::kFloat))),
      padding_(padding) {}

torch::Tensor ConvLayer::forward_pool_relu(const torch::Tensor& images) const {
  return conv_pool_relu(images, weight_, bias_, padding_);
}

DenseLayer::DenseLayer(std::int64_t in, std::int64_t out)
    : weight_(register_parameter("weight", at::empty({out, in}, at::kFloat))),
      bias_(register_parameter("bias", at::empty({out}, at::kFloat))) {}

torch::Tensor DenseLayer::forward(const torch::Tensor& values) const {
  return at::linear(values, weight_, bias_);
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
}

}  // namespace pulmo
