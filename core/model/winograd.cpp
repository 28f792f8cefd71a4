#include "core/model/winograd.h"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv3d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "core/model/kernel_tensors.h"
#include "core/model/pool_kernels.h"
#include "core/model/shared_work.h"
#include "core/model/winograd_kernels.h"

namespace pulmo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Weights, as pairs of channels, that are worth being transformed for each tile of a sample. How many samples there are
// is left out on purpose: a sample's result is not to depend on its batch.
constexpr std::int64_t kWeightsOfTile = 4096;
constexpr std::int64_t kPartsMemory = 128 << 20;
constexpr std::int64_t kMostParts = 32;

bool is_volume(const torch::Tensor& maps) {
  return maps.dim() == 5;
}

/// Of maps (N,C,H,W) or (N,C,D,H,W) and what `out` channels are made of them.
WinogradShape shape_of(const torch::Tensor& maps, std::int64_t out) {
  const bool volume = is_volume(maps);
  return {.depth = volume ? maps.size(2) : 1,
          .height = maps.size(-2),
          .width = maps.size(-1),
          .taps = volume ? 3 : 1,
          .in = maps.size(1),
          .out = out};
}

/// Of the whole batch.
std::int64_t tiles_of(const torch::Tensor& maps, const WinogradShape& shape) {
  return maps.size(0) * shape.depth * shape.tiles();
}

torch::Tensor channels_last(const torch::Tensor& maps) {
  return maps.contiguous(last_channels(maps));
}

torch::Tensor scratch_of(const WinogradShape& shape, std::int64_t tiles) {
  return at::empty({winograd_scratch_size(shape, tiles)}, at::kFloat);
}

/// Calls body(tiles) for [begin, end) in pieces that the kernels take at once.
template <typename Body>
void for_pieces(std::int64_t begin, std::int64_t end, std::int64_t at_once, const Body& body) {
  for (; begin < end; begin += at_once) body(TileRange{begin, std::min(begin + at_once, end)});
}

torch::Tensor no_bias(std::int64_t out) {
  return at::zeros({out}, at::kFloat);
}

/// What a convolution reads, channels-last: maps; or, if `winners` is defined, the gradient of pooled ones.
struct Source {
  torch::Tensor values;
  torch::Tensor winners;

  template <typename Real>
  WinogradMaps<Real> of() const {
    if (!winners.defined()) return {values_of<Real>(values)};
    return {values_of<Real>(values), true, values_of<std::uint8_t>(winners)};
  }
};

/// Where results go.
struct Target {
  torch::Tensor values;
  bool pooled = false;
  torch::Tensor winners;  ///< may be undefined

  template <typename Real>
  WinogradResults<Real> of() const {
    return {values_of<Real>(values), pooled, winners.defined() ? values_of<std::uint8_t>(winners) : nullptr};
  }
};

/// `shape` is that of `source` before pooling, `panels` as winograd_panels() gives them.
void convolve(const Source& source, const WinogradShape& shape, std::int64_t tiles, const torch::Tensor& panels,
              const torch::Tensor& bias, const Target& target) {
  const torch::Tensor added = bias.to(at::kFloat).contiguous();
  const std::int64_t at_once = winograd_tiles_at_once(shape).conv;
  with_real(source.values, [&]<typename Real>(Real) {
    share_work(tiles, at_once, [&] {
      return [&, scratch = scratch_of(shape, at_once)](const WorkPiece& piece) {
        for_pieces(piece.begin, piece.end, at_once, [&](const TileRange& range) {
          winograd_conv(source.of<Real>(), panels.data_ptr<float>(), added.data_ptr<float>(), shape, range,
                        scratch.data_ptr<float>(), target.of<Real>());
        });
      };
    });
  });
}

/// `maps` channels-last.
torch::Tensor convolved(const torch::Tensor& maps, const torch::Tensor& panels, std::int64_t out,
                        const torch::Tensor& bias) {
  const WinogradShape shape = shape_of(maps, out);
  std::vector<std::int64_t> sizes = maps.sizes().vec();
  sizes[1] = out;
  torch::Tensor result = at::empty(sizes, maps.options(), last_channels(maps));
  convolve({maps, {}}, shape, tiles_of(maps, shape), panels, bias, {result, false, {}});
  return result;
}

/// `maps` (N,C,H,W) channels-last.
Target pooled(const torch::Tensor& maps, const torch::Tensor& panels, std::int64_t out, const torch::Tensor& bias,
              bool keeps_winners) {
  TORCH_CHECK(bias.sizes() == at::IntArrayRef(out), "the bias is ", bias.sizes(), ", there are ", out, " results");
  const WinogradShape shape = shape_of(maps, out);
  const std::vector<std::int64_t> sizes = {maps.size(0), shape.out, shape.height / 2, shape.width / 2};
  Target target{at::empty(sizes, maps.options(), at::MemoryFormat::ChannelsLast), true, {}};
  if (keeps_winners) target.winners = at::empty(sizes, at::kByte, at::MemoryFormat::ChannelsLast);
  convolve({maps, {}}, shape, tiles_of(maps, shape), panels, bias, target);
  return target;
}

/// (K, C, *kernel) to (C, K, *kernel), whose convolution is what a gradient of results means to the maps.
torch::Tensor turned(const torch::Tensor& weight) {
  return weight.flatten(2).flip({2}).view_as(weight).transpose(0, 1);
}

/// (K, C, *kernel), of maps and of the results' gradient, both channels-last. The batch is cut into parts by its shape
/// alone and their sums are added in order: the result does not depend on the number of threads.
torch::Tensor weights_gradient(const torch::Tensor& maps, const Source& gradient) {
  const WinogradShape shape = shape_of(maps, gradient.values.size(1));
  const std::int64_t at_once = winograd_tiles_at_once(shape).weights;
  const std::int64_t tiles = tiles_of(maps, shape);
  const std::int64_t bytes = kWinogradPoints * shape.all_in() * shape.out * static_cast<std::int64_t>(sizeof(float));
  const std::int64_t most = std::clamp<std::int64_t>(kPartsMemory / bytes, 1, kMostParts);
  const std::int64_t pieces = (tiles + at_once - 1) / at_once;
  const std::int64_t part = std::max<std::int64_t>(1, (pieces + most - 1) / most) * at_once;
  const torch::Tensor sums =
      at::empty({(tiles + part - 1) / part, kWinogradPoints, shape.all_in() * shape.out}, at::kFloat);
  with_real(maps, [&]<typename Real>(Real) {
    share_work(sums.size(0), 1, [&] {
      return [&, scratch = scratch_of(shape, at_once)](const WorkPiece& parts) {
        for_pieces(parts.begin * part, std::min(parts.end * part, tiles), at_once, [&](const TileRange& range) {
          const std::int64_t i = range.begin / part;
          winograd_weights_gradient(values_of<Real>(maps), gradient.of<Real>(), shape, range, scratch.data_ptr<float>(),
                                    sums.data_ptr<float>() + i * sums.stride(0), range.begin > i * part);
        });
      };
    });
  });
  const torch::Tensor points = sums.sum(0);
  const torch::Tensor taps = at::empty({9, points.size(1)}, at::kFloat);
  winograd_transform_back(points.data_ptr<float>(), points.size(1), taps.data_ptr<float>());
  const torch::Tensor result = taps.reshape({3, 3, shape.taps, shape.in, shape.out})
                                   .permute({4, 3, 2, 0, 1})
                                   .to(maps.scalar_type(), false, false, at::MemoryFormat::Contiguous);
  return is_volume(maps) ? result : result.squeeze(2);
}

/// Of each channel, over the windows where the ReLU let a gradient through.
torch::Tensor bias_gradient(const Source& gradient) {
  const std::int64_t count = gradient.values.size(0), channels = gradient.values.size(1);
  const torch::Tensor parts = at::empty({count, channels}, at::kFloat);
  const std::int64_t windows = gradient.values.numel() / std::max<std::int64_t>(count * channels, 1);
  with_real(gradient.values, [&]<typename Real>(Real) {
    share_each(count, [&](std::int64_t n) {
      const std::int64_t first = n * windows * channels;
      const WinogradMaps<Real> maps = gradient.of<Real>();
      pool_bias_gradient(maps.values + first, maps.winners + first, windows, channels,
                         parts.data_ptr<float>() + n * channels);
    });
  });
  return sum_over_images(parts, gradient.values.scalar_type());
}

void require_once() {
  TORCH_CHECK(!c10::GradMode::is_enabled(), "a convolution by Winograd's filtering has no second derivative");
}

class WinogradConvolution : public torch::autograd::Function<WinogradConvolution> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& given, const torch::Tensor& weight,
                               const torch::Tensor& bias) {
    const torch::Tensor maps = channels_last(given);
    context->save_for_backward({weight.requires_grad() ? maps : torch::Tensor(), weight});
    context->saved_data["maps"] = given.requires_grad();
    context->saved_data["bias"] = bias.requires_grad();
    return convolved(maps, winograd_panels(weight), weight.size(0), bias);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    require_once();
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor &maps = saved[0], &weight = saved[1];
    const torch::Tensor gradient = channels_last(gradients[0]);
    torch::Tensor of_maps, of_weight, of_bias;
    if (context->saved_data["maps"].toBool()) {
      of_maps = convolved(gradient, winograd_panels(turned(weight)), weight.size(1), no_bias(weight.size(1)));
    }
    if (maps.defined()) of_weight = weights_gradient(maps, {gradient, {}});
    if (context->saved_data["bias"].toBool()) of_bias = gradient.flatten(2).sum(at::IntArrayRef({0, 2}));
    return {of_maps, of_weight, of_bias};
  }
};

class WinogradPool : public torch::autograd::Function<WinogradPool> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& given, const torch::Tensor& weight,
                               const torch::Tensor& bias) {
    const torch::Tensor maps = channels_last(given);
    const Target target = pooled(maps, winograd_panels(weight), weight.size(0), bias, true);
    context->save_for_backward({weight.requires_grad() ? maps : torch::Tensor(), weight, target.winners});
    context->saved_data["sizes"] = maps.sizes();
    context->saved_data["maps"] = given.requires_grad();
    context->saved_data["bias"] = bias.requires_grad();
    return target.values;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    require_once();
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor &maps = saved[0], &weight = saved[1];
    const Source gradient = {channels_last(gradients[0]), saved[2]};
    torch::Tensor of_maps, of_weight, of_bias;
    if (context->saved_data["maps"].toBool()) {
      of_maps = at::empty(context->saved_data["sizes"].toIntVector(), weight.options(), at::MemoryFormat::ChannelsLast);
      WinogradShape shape = shape_of(of_maps, weight.size(1));
      shape.in = weight.size(0);
      convolve(gradient, shape, tiles_of(of_maps, shape), winograd_panels(turned(weight)), no_bias(shape.out),
               {of_maps, false, {}});
    }
    if (maps.defined()) of_weight = weights_gradient(maps, gradient);
    if (context->saved_data["bias"].toBool()) of_bias = bias_gradient(gradient);
    return {of_maps, of_weight, of_bias};
  }
};

/// Whether bf16 is multiplied by matrices, far quicker than float32.
bool multiplies_bf16_matrices() {
#ifdef __x86_64__
  return __builtin_cpu_supports("amx-bf16") != 0;
#else
  return false;
#endif
}

}  // namespace

bool prefers_winograd(const torch::Tensor& maps, const torch::Tensor& weight) {
  if (maps.dim() != weight.dim() || maps.dim() < 4 || maps.dim() > 5 || maps.size(1) != weight.size(1)) return false;
  if (maps.scalar_type() != weight.scalar_type()) return false;
  const at::IntArrayRef kernel = weight.sizes().slice(2);
  if (!std::all_of(kernel.begin(), kernel.end(), [](std::int64_t side) { return side == 3; })) return false;
  const WinogradShape shape = shape_of(maps, weight.size(0));
  if (shape.in % kWinogradPanel != 0 || shape.out % kWinogradPanel != 0) return false;
  if (shape.all_in() * shape.out > kWeightsOfTile * shape.depth * shape.tiles()) return false;
  static const bool matrices = multiplies_bf16_matrices();
  if (!have_kernels_for(maps)) return false;
  if (maps.scalar_type() == at::kBFloat16 && matrices) return false;
  return shape.height * shape.width * 2 >= shape.tiles() * 16;  // tiles lie within the maps for the most part
}

/// (K, C, *kernel) to (36, K/16, taps * C, 16), the panels of winograd_conv().
torch::Tensor winograd_panels(const torch::Tensor& weight) {
  const std::int64_t out = weight.size(0), in = weight.size(1);
  const torch::Tensor panels = weight.to(at::kFloat)
                                   .reshape({out / kWinogradPanel, kWinogradPanel, in, -1, 9})
                                   .permute({4, 0, 3, 2, 1})
                                   .reshape({9, -1})
                                   .contiguous();
  torch::Tensor result = at::empty({kWinogradPoints, panels.size(1)}, at::kFloat);
  winograd_transform(panels.data_ptr<float>(), panels.size(1), result.data_ptr<float>());
  return result;
}

torch::Tensor winograd_convolution_of_panels(const torch::Tensor& maps, const torch::Tensor& panels, std::int64_t out,
                                             const torch::Tensor& bias) {
  return convolved(channels_last(maps), panels, out, bias.defined() ? bias : no_bias(out));
}

torch::Tensor winograd_convolution(const torch::Tensor& maps, const torch::Tensor& weight, const torch::Tensor& bias) {
  return WinogradConvolution::apply(maps, weight, bias.defined() ? bias : no_bias(weight.size(0)));
}

torch::Tensor winograd_pool_relu_of_panels(const torch::Tensor& maps, const torch::Tensor& panels, std::int64_t out,
                                           const torch::Tensor& bias) {
  return pooled(channels_last(maps), panels, out, bias, false).values;
}

torch::Tensor winograd_pool_relu(const torch::Tensor& maps, const torch::Tensor& weight, const torch::Tensor& bias) {
  const bool learns = maps.requires_grad() || weight.requires_grad() || bias.requires_grad();
  if (learns && c10::GradMode::is_enabled()) return WinogradPool::apply(maps, weight, bias);
  return winograd_pool_relu_of_panels(maps, winograd_panels(weight), weight.size(0), bias);
}

bool may_be_winograd(const torch::Tensor& maps, const torch::Tensor& weight, at::IntArrayRef stride,
                     at::IntArrayRef padding) {
  const auto is_one = [](std::int64_t step) { return step == 1; };
  return std::all_of(stride.begin(), stride.end(), is_one) && std::all_of(padding.begin(), padding.end(), is_one) &&
         prefers_winograd(maps, weight);
}

torch::Tensor convolution(const torch::Tensor& maps, const torch::Tensor& weight, const torch::Tensor& bias,
                          at::IntArrayRef stride, at::IntArrayRef padding) {
  if (may_be_winograd(maps, weight, stride, padding)) return winograd_convolution(maps, weight, bias);
  return is_volume(maps) ? at::conv3d(maps, weight, bias, stride, padding)
                         : at::conv2d(maps, weight, bias, stride, padding);
}

}  // namespace pulmo
