#include "core/model/norm_relu.h"

#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/model/kernel_tensors.h"
#include "core/model/norm_kernels.h"

namespace pulmo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// float32 (4, C): what the kernels multiply by, add and subtract, and 1 / sqrt(variance + epsilon).
torch::Tensor channel_values(const NormValues& norm) {
  const c10::AutoGradMode no_gradient(false);
  const torch::Tensor mean = norm.mean.to(at::kFloat);
  const torch::Tensor inverse = (norm.variance.to(at::kFloat) + norm.epsilon).rsqrt();
  const torch::Tensor scale = norm.weight.to(at::kFloat) * inverse;
  return at::stack({scale, norm.bias.to(at::kFloat) - mean * scale, mean, inverse});
}

/// The channels of a piece that begins at channel `first`.
NormChannels channels_from(const torch::Tensor& values, std::int64_t first) {
  const float* rows = values.data_ptr<float>() + first;
  const std::int64_t row = values.stride(0);
  return {rows, rows + row, rows + 2 * row};
}

NormShape shape_of(const torch::Tensor& piece, std::int64_t whole_channels) {
  const std::int64_t channels = piece.size(1);
  return {piece[0][0].numel(), channels, whole_channels};
}

class NormRelu : public torch::autograd::Function<NormRelu> {
 public:
  static torch::Tensor forward(AutogradContext* context, at::TensorList pieces, const torch::Tensor& /*weight*/,
                               const torch::Tensor& /*bias*/, const torch::Tensor& values) {
    const std::int64_t channels = values.size(1);
    std::vector<std::int64_t> sizes = pieces[0].sizes().vec();
    sizes[1] = channels;
    const torch::Tensor result = at::empty(sizes, pieces[0].options(), last_channels(pieces[0]));
    std::int64_t first = 0;
    for (const torch::Tensor& piece : pieces) {
      normalise(piece, channels_from(values, first), result, first);
      first += piece.size(1);
    }
    variable_list saved = pieces.vec();
    saved.push_back(values);
    context->save_for_backward(saved);
    return result;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor& values = saved.back();
    const torch::Tensor gradient = gradients[0].contiguous(last_channels(gradients[0]));
    const torch::Tensor sums = at::empty({gradient.size(0), 2, values.size(1)}, at::kFloat);
    variable_list result;
    std::int64_t first = 0;
    for (std::size_t i = 0; i + 1 < saved.size(); ++i) {
      result.push_back(piece_gradient(saved[i], channels_from(values, first), gradient, first, sums));
      first += saved[i].size(1);
    }
    const torch::Tensor total = sum_over_images(sums, at::kFloat);
    result.push_back((total[0] * values[3]).to(gradient.scalar_type()));
    result.push_back(total[1].to(gradient.scalar_type()));
    result.emplace_back();
    return result;
  }

 private:
  static void normalise(const torch::Tensor& piece, const NormChannels& channels, const torch::Tensor& result,
                        std::int64_t first) {
    if (piece.numel() == 0) return;
    const NormShape shape = shape_of(piece, result.size(1));
    with_real(piece, [&]<typename Real>(Real) {
      for_each_image(piece.size(0), [&](std::int64_t n) {
        norm_relu(values_of<Real>(piece) + n * shape.pixels * shape.channels, channels, shape,
                  values_of<Real>(result) + n * shape.pixels * shape.whole_channels + first);
      });
    });
  }

  static torch::Tensor piece_gradient(const torch::Tensor& piece, const NormChannels& channels,
                                      const torch::Tensor& gradient, std::int64_t first, const torch::Tensor& sums) {
    const torch::Tensor result = at::empty(piece.sizes(), piece.options(), last_channels(piece));
    if (piece.numel() == 0) return result;
    const NormShape shape = shape_of(piece, gradient.size(1));
    with_real(piece, [&]<typename Real>(Real) {
      for_each_image(piece.size(0), [&](std::int64_t n) {
        const std::int64_t from = n * shape.pixels * shape.channels;
        float* centred = values_of<float>(sums) + n * sums.stride(0) + first;
        norm_relu_backward(values_of<Real>(piece) + from,
                           values_of<Real>(gradient) + n * shape.pixels * shape.whole_channels + first, channels, shape,
                           values_of<Real>(result) + from, {centred, centred + sums.stride(1)});
      });
    });
    return result;
  }
};

bool kernels_fit(at::TensorList pieces) {
  return std::ranges::all_of(pieces, [&](const torch::Tensor& piece) {
    const bool maps = piece.dim() == 4 || piece.dim() == 5;
    return maps && piece.size(1) % kChannelsAtOnce == 0 && piece.is_contiguous(last_channels(piece)) &&
           have_kernels_for(piece) && piece.scalar_type() == pieces[0].scalar_type();
  });
}

}  // namespace

torch::Tensor norm_relu_plain(at::TensorList pieces, const NormValues& norm) {
  const torch::Tensor maps = pieces.size() == 1 ? pieces[0] : at::cat(pieces, 1);
  return at::batch_norm(maps, norm.weight, norm.bias, norm.mean, norm.variance, false, 0.0, norm.epsilon, false)
      .relu_();
}

torch::Tensor norm_relu(at::TensorList pieces, const NormValues& norm) {
  if (!kernels_fit(pieces)) return norm_relu_plain(pieces, norm);
  return NormRelu::apply(pieces, norm.weight, norm.bias, channel_values(norm));
}

}  // namespace pulmo
