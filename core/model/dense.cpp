#include "core/model/dense.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/model/dense_kernels.h"
#include "core/model/kernel_tensors.h"
#include "core/model/shared_work.h"

namespace pulmo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kManyInputs = 4096;
constexpr std::int64_t kSamplesAtOnce = 32;

bool is_single(const torch::Tensor& tensor) {
  return tensor.scalar_type() == at::kFloat && have_kernels_for(tensor);
}

bool prefers_kernel(const torch::Tensor& values, const torch::Tensor& weight, const torch::Tensor& bias) {
  const bool fits = values.dim() == 2 && weight.dim() == 2 && values.size(1) == weight.size(1) &&
                    bias.sizes() == at::IntArrayRef(weight.size(0));
  return fits && weight.size(1) >= kManyInputs && weight.size(1) % kChannelsAtOnce == 0 &&
         weight.size(0) % kDenseOutputs == 0 && is_single(values) && is_single(weight) && is_single(bias);
}

torch::Tensor by_kernel(const torch::Tensor& values, const torch::Tensor& weight, const torch::Tensor& bias) {
  const torch::Tensor result = at::empty({values.size(0), weight.size(0)}, values.options());
  const std::int64_t in = weight.size(1), out = weight.size(0);
  for (std::int64_t first = 0; first < values.size(0); first += kSamplesAtOnce) {
    const DenseShape shape = {std::min(kSamplesAtOnce, values.size(0) - first), in, out};
    const std::int64_t blocks = out / kDenseOutputs;
    const std::int64_t share = (blocks + at::get_num_threads() - 1) / at::get_num_threads();
    share_work(blocks, share, [&] {  // in one piece a thread, as each packs all values
      return [&](const WorkPiece& piece) {
        const std::int64_t from = piece.begin * kDenseOutputs, to = piece.end * kDenseOutputs;
        const torch::Tensor scratch = at::empty({dense_scratch_size(shape, to - from)}, at::kFloat);
        dense_outputs(values.data_ptr<float>() + first * in, weight.data_ptr<float>(), bias.data_ptr<float>(), shape,
                      from, to, scratch.data_ptr<float>(), result.data_ptr<float>() + first * out);
      };
    });
  }
  return result;
}

class Dense : public torch::autograd::Function<Dense> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& values, const torch::Tensor& weight,
                               const torch::Tensor& bias) {
    context->saved_data["values"] = values.requires_grad();
    context->saved_data["weight"] = weight.requires_grad();
    context->saved_data["bias"] = bias.requires_grad();
    context->save_for_backward({weight.requires_grad() ? values : torch::Tensor(), weight});
    return by_kernel(values.contiguous(), weight.contiguous(), bias.contiguous());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    TORCH_CHECK(!c10::GradMode::is_enabled(), "a dense layer of many inputs has no second derivative");
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor &values = saved[0], &weight = saved[1], &gradient = gradients[0];
    torch::Tensor of_values, of_weight, of_bias;
    if (context->saved_data["values"].toBool()) of_values = gradient.mm(weight);
    if (context->saved_data["weight"].toBool()) of_weight = gradient.t().mm(values);
    if (context->saved_data["bias"].toBool()) of_bias = gradient.sum(0);
    return {of_values, of_weight, of_bias};
  }
};

}  // namespace

torch::Tensor dense(const torch::Tensor& values, const torch::Tensor& weight, const torch::Tensor& bias) {
  return prefers_kernel(values, weight, bias) ? Dense::apply(values, weight, bias) : at::linear(values, weight, bias);
}

}  // namespace pulmo
