#include "core/model/pool_relu.h"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/model/kernel_tensors.h"
#include "core/model/pool_kernels.h"
#include "core/model/shared_work.h"
#include "core/model/winograd.h"

namespace pulmo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

PoolShape shape_of(const torch::Tensor& maps) {
  return {maps.size(2), maps.size(3), maps.size(1)};
}

torch::Tensor empty_channels_last(at::IntArrayRef sizes, const at::TensorOptions& options) {
  return at::empty(sizes, options, at::MemoryFormat::ChannelsLast);
}

/// A gradient as the kernels read it.
torch::Tensor channels_last(const torch::Tensor& tensor) {
  return tensor.contiguous(at::MemoryFormat::ChannelsLast);
}

class PoolBiasRelu : public torch::autograd::Function<PoolBiasRelu> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& maps, const torch::Tensor& bias) {
    const torch::Tensor from = channels_last(maps);
    const PoolShape shape = shape_of(from);
    const std::vector<std::int64_t> sizes = {from.size(0), shape.channels, shape.height / 2, shape.width / 2};
    torch::Tensor pooled = empty_channels_last(sizes, from.options());
    const torch::Tensor winners = empty_channels_last(sizes, at::kByte);
    const torch::Tensor added = bias.to(at::kFloat).contiguous();
    const std::int64_t in = shape.channels * shape.height * shape.width;
    const std::int64_t out = sizes[1] * sizes[2] * sizes[3];
    with_real(from, [&]<typename Real>(Real) {
      share_each(sizes[0], [&](std::int64_t n) {
        pool_bias_relu(values_of<Real>(from) + n * in, values_of<float>(added), shape,
                       values_of<Real>(pooled) + n * out, values_of<std::uint8_t>(winners) + n * out);
      });
    });
    context->save_for_backward({winners});
    context->saved_data["height"] = shape.height;
    context->saved_data["width"] = shape.width;
    return pooled;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const torch::Tensor winners = context->get_saved_variables()[0];
    const torch::Tensor gradient = channels_last(gradients[0]);
    const PoolShape shape{context->saved_data["height"].toInt(), context->saved_data["width"].toInt(),
                          gradient.size(1)};
    const std::int64_t count = gradient.size(0);
    const torch::Tensor maps =
        empty_channels_last({count, shape.channels, shape.height, shape.width}, gradient.options());
    const torch::Tensor bias = at::empty({count, shape.channels}, at::kFloat);
    const std::int64_t in = shape.channels * shape.height * shape.width;
    const std::int64_t out = gradient.numel() / std::max<std::int64_t>(count, 1);
    with_real(gradient, [&]<typename Real>(Real) {
      share_each(count, [&](std::int64_t n) {
        pool_bias_relu_backward(values_of<Real>(gradient) + n * out, values_of<std::uint8_t>(winners) + n * out, shape,
                                values_of<Real>(maps) + n * in, values_of<float>(bias) + n * shape.channels);
      });
    });
    return {maps, sum_over_images(bias, gradient.scalar_type())};
  }
};

/// (N,1,H,W) of any type to float32 (N, H+2, W+2) with a border of zeros.
torch::Tensor bordered(const torch::Tensor& images) {
  torch::Tensor wide = at::zeros({images.size(0), images.size(2) + 2, images.size(3) + 2}, at::kFloat);
  wide.narrow(1, 1, images.size(2)).narrow(2, 1, images.size(3)).copy_(images.squeeze(1));
  return wide;
}

/// Calls body(image, first row, rows) for all rows of `count` images, spread over LibTorch's threads.
template <typename Body>
void share_rows(std::int64_t count, std::int64_t rows_of_image, const Body& body) {
  constexpr std::int64_t kFewest = 8;
  share_work(count * rows_of_image, kFewest, [&] {
    return [&](const WorkPiece& piece) {
      std::int64_t rows = 0;
      for (std::int64_t row = piece.begin; row < piece.end; row += rows) {
        const std::int64_t first = row % rows_of_image;
        rows = std::min(piece.end - row, rows_of_image - first);
        body(row / rows_of_image, first, rows);
      }
    };
  });
}

class Conv3PoolRelu : public torch::autograd::Function<Conv3PoolRelu> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& images, const torch::Tensor& weight,
                               const torch::Tensor& bias, bool learns) {
    const PoolShape shape{images.size(2), images.size(3), weight.size(0)};
    const std::vector<std::int64_t> sizes = {images.size(0), shape.channels, shape.height / 2, shape.width / 2};
    torch::Tensor pooled = empty_channels_last(sizes, images.options());
    const torch::Tensor winners = learns ? empty_channels_last(sizes, at::kByte) : torch::Tensor();
    const torch::Tensor wide = bordered(images);
    const torch::Tensor taps = weight.to(at::kFloat).reshape({shape.channels, 9}).t().contiguous();
    const torch::Tensor added = bias.to(at::kFloat).contiguous();
    with_real(images, [&]<typename Real>(Real) {
      share_rows(sizes[0], sizes[2], [&](std::int64_t n, std::int64_t first, std::int64_t rows) {
        const std::int64_t place = (n * sizes[2] + first) * sizes[3] * shape.channels;
        conv3_pool_relu(values_of<float>(wide) + n * wide.stride(0) + 2 * first * wide.stride(1),
                        values_of<float>(taps), values_of<float>(added), {2 * rows, shape.width, shape.channels},
                        values_of<Real>(pooled) + place, learns ? values_of<std::uint8_t>(winners) + place : nullptr);
      });
    });
    if (learns) context->save_for_backward({wide, winners});
    return pooled;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor &wide = saved[0], &winners = saved[1];
    const torch::Tensor gradient = channels_last(gradients[0]);
    const PoolShape shape{wide.size(1) - 2, wide.size(2) - 2, gradient.size(1)};
    const std::int64_t count = gradient.size(0);
    const torch::Tensor taps = at::empty({count, 9, shape.channels}, at::kFloat);
    const torch::Tensor bias = at::empty({count, shape.channels}, at::kFloat);
    const std::int64_t out = gradient.numel() / std::max<std::int64_t>(count, 1);
    with_real(gradient, [&]<typename Real>(Real) {
      share_each(count, [&](std::int64_t n) {
        conv3_pool_relu_backward(values_of<float>(wide) + n * wide.stride(0), values_of<Real>(gradient) + n * out,
                                 values_of<std::uint8_t>(winners) + n * out, shape,
                                 values_of<float>(taps) + n * taps.stride(0),
                                 values_of<float>(bias) + n * shape.channels);
      });
    });
    const torch::Tensor weight =
        sum_over_images(taps, gradient.scalar_type()).t().reshape({shape.channels, 1, 3, 3}).contiguous();
    return {torch::Tensor(), weight, sum_over_images(bias, gradient.scalar_type()), torch::Tensor()};
  }
};

bool kernels_fit(const torch::Tensor& images, const torch::Tensor& weight) {
  return have_kernels_for(images) && weight.size(0) % kChannelsAtOnce == 0;
}

}  // namespace

torch::Tensor conv_pool_relu_plain(const torch::Tensor& images, const torch::Tensor& weight, const torch::Tensor& bias,
                                   std::int64_t padding) {
  return at::max_pool2d(at::conv2d(images, weight, bias, 1, padding), {2, 2}).relu_();
}

torch::Tensor conv_pool_relu(const torch::Tensor& images, const torch::Tensor& weight, const torch::Tensor& bias,
                             std::int64_t padding) {
  if (!kernels_fit(images, weight)) return conv_pool_relu_plain(images, weight, bias, padding);
  const bool first_layer = weight.size(1) == 1 && weight.size(2) == 3 && padding == 1 && !images.requires_grad();
  if (first_layer) {
    const bool learns = c10::GradMode::is_enabled() && (weight.requires_grad() || bias.requires_grad());
    return Conv3PoolRelu::apply(images, weight, bias, learns);
  }
  if (may_be_winograd(images, weight, 1, padding)) return winograd_pool_relu(images, weight, bias);
  return PoolBiasRelu::apply(at::conv2d(images, weight, {}, 1, padding), bias);
}

torch::Tensor pool_bias_relu(const torch::Tensor& maps, const torch::Tensor& bias) {
  return PoolBiasRelu::apply(maps, bias);
}

}  // namespace pulmo
