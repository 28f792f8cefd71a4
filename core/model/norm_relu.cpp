#include "core/model/norm_relu.h"

#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/stack.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/model/kernel_tensors.h"
#include "core/model/norm_kernels.h"
#include "core/model/shared_work.h"

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

/// Where sample `n` of channel `first` lies in a tensor laid out as the whole; null in an undefined one.
template <typename Real>
Real* place_in(const torch::Tensor& whole, std::int64_t n, std::int64_t first) {
  return whole.defined() ? values_of<Real>(whole) + n * whole.stride(0) + first : nullptr;
}

class NormRelu : public torch::autograd::Function<NormRelu> {
 public:
  static torch::Tensor forward(AutogradContext* context, at::TensorList pieces, const torch::Tensor& /*weight*/,
                               const torch::Tensor& /*bias*/, at::TensorList around, const torch::Tensor& values) {
    const torch::Tensor added = around.empty() ? torch::Tensor() : around[0];
    std::vector<std::int64_t> sizes = pieces[0].sizes().vec();
    sizes[1] = values.size(1);
    torch::Tensor result = at::empty(sizes, pieces[0].options(), last_channels(pieces[0]));
    std::int64_t first = 0;
    for (const torch::Tensor& piece : pieces) {
      normalise(piece, channels_from(values, first), added, result, first);
      first += piece.size(1);
    }
    variable_list saved = pieces.vec();
    saved.push_back(added);
    saved.push_back(values);
    context->save_for_backward(saved);
    return result;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const std::size_t count = saved.size() - 2;
    const torch::Tensor &added = saved[count], &values = saved[count + 1];
    const torch::Tensor gradient = gradients[0].contiguous(last_channels(gradients[0]));
    const torch::Tensor added_gradient = added.defined() ? at::empty_like(gradient) : torch::Tensor();
    const torch::Tensor sums = at::empty({gradient.size(0), 2, values.size(1)}, at::kFloat);
    const Whole whole{gradient, added, added_gradient, sums};
    variable_list result;
    std::int64_t first = 0;
    for (std::size_t i = 0; i < count; ++i) {
      result.push_back(piece_gradient(saved[i], channels_from(values, first), whole, first));
      first += saved[i].size(1);
    }
    const torch::Tensor total = sum_over_images(sums, at::kFloat);
    result.push_back((total[0] * values[3]).to(gradient.scalar_type()));
    result.push_back(total[1].to(gradient.scalar_type()));
    if (added.defined()) result.push_back(added_gradient);
    result.emplace_back();
    return result;
  }

 private:
  struct Whole {
    torch::Tensor gradient, added, added_gradient;
    torch::Tensor sums;  ///< (N, 2, C)
  };

  static void normalise(const torch::Tensor& piece, const NormChannels& channels, const torch::Tensor& added,
                        const torch::Tensor& result, std::int64_t first) {
    if (piece.numel() == 0) return;
    const NormShape shape = shape_of(piece, result.size(1));
    with_real(piece, [&]<typename Real>(Real) {
      share_each(piece.size(0), [&](std::int64_t n) {
        norm_relu(place_in<Real>(piece, n, 0), channels, shape, place_in<Real>(added, n, first),
                  place_in<Real>(result, n, first));
      });
    });
  }

  static torch::Tensor piece_gradient(const torch::Tensor& piece, const NormChannels& channels, const Whole& whole,
                                      std::int64_t first) {
    torch::Tensor result = at::empty(piece.sizes(), piece.options(), last_channels(piece));
    if (piece.numel() == 0) return result;
    const NormShape shape = shape_of(piece, whole.gradient.size(1));
    with_real(piece, [&]<typename Real>(Real) {
      share_each(piece.size(0), [&](std::int64_t n) {
        const NormAdded<Real> added{place_in<Real>(whole.added, n, first),
                                    place_in<Real>(whole.added_gradient, n, first)};
        float* sums = place_in<float>(whole.sums, n, first);
        norm_relu_backward(place_in<Real>(piece, n, 0), place_in<Real>(whole.gradient, n, first), channels, shape,
                           added, place_in<Real>(result, n, 0), {sums, sums + whole.sums.stride(1)});
      });
    });
    return result;
  }
};

bool kernels_fit(const torch::Tensor& maps, at::ScalarType type) {
  const bool pictures = maps.dim() == 4 || maps.dim() == 5;
  return pictures && maps.size(1) % kChannelsAtOnce == 0 && maps.is_contiguous(last_channels(maps)) &&
         have_kernels_for(maps) && maps.scalar_type() == type;
}

}  // namespace

torch::Tensor norm_relu_plain(at::TensorList pieces, const NormValues& norm, const torch::Tensor& added) {
  torch::Tensor maps = pieces.size() == 1 ? pieces[0] : at::cat(pieces, 1);
  maps = at::batch_norm(maps, norm.weight, norm.bias, norm.mean, norm.variance, false, 0.0, norm.epsilon, false);
  return added.defined() ? (maps + added).relu_() : maps.relu_();
}

torch::Tensor norm_relu(at::TensorList pieces, const NormValues& norm, const torch::Tensor& added) {
  const auto fits = [&](const torch::Tensor& maps) { return kernels_fit(maps, pieces[0].scalar_type()); };
  const bool all = std::ranges::all_of(pieces, fits) && (!added.defined() || fits(added));
  if (!all) return norm_relu_plain(pieces, norm, added);
  // As a list: apply() refuses an undefined tensor.
  const at::TensorList around = added.defined() ? at::TensorList(added) : at::TensorList();
  return NormRelu::apply(pieces, norm.weight, norm.bias, around, channel_values(norm));
}

}  // namespace pulmo
