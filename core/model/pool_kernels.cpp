#include "core/model/pool_kernels.h"

#include "core/model/kernel_choice.h"
#include "core/model/pool_kernels_variant.h"

namespace pulmo {
namespace {

const PoolKernels& kernels() {
  static const PoolKernels best = PULMO_KERNELS(pool_kernels);
  return best;
}

}  // namespace

void pool_bias_relu(const float* maps, const float* bias, const PoolShape& shape, float* pooled,
                    std::uint8_t* winners) {
  kernels().fp32.pool(maps, bias, shape, pooled, winners);
}
void pool_bias_relu(const Bf16Bits* maps, const float* bias, const PoolShape& shape, Bf16Bits* pooled,
                    std::uint8_t* winners) {
  kernels().bf16.pool(maps, bias, shape, pooled, winners);
}

void pool_bias_relu_backward(const float* gradient, const std::uint8_t* winners, const PoolShape& shape,
                             float* maps_gradient, float* bias_gradient) {
  kernels().fp32.pool_backward(gradient, winners, shape, maps_gradient, bias_gradient);
}
void pool_bias_relu_backward(const Bf16Bits* gradient, const std::uint8_t* winners, const PoolShape& shape,
                             Bf16Bits* maps_gradient, float* bias_gradient) {
  kernels().bf16.pool_backward(gradient, winners, shape, maps_gradient, bias_gradient);
}

void pool_bias_gradient(const float* gradient, const std::uint8_t* winners, std::int64_t count, std::int64_t channels,
                        float* bias_gradient) {
  kernels().fp32.bias_gradient(gradient, winners, count, channels, bias_gradient);
}
void pool_bias_gradient(const Bf16Bits* gradient, const std::uint8_t* winners, std::int64_t count,
                        std::int64_t channels, float* bias_gradient) {
  kernels().bf16.bias_gradient(gradient, winners, count, channels, bias_gradient);
}

void conv3_pool_relu(const float* image, const float* weights, const float* bias, const PoolShape& shape, float* pooled,
                     std::uint8_t* winners) {
  kernels().fp32.conv3_pool(image, weights, bias, shape, pooled, winners);
}
void conv3_pool_relu(const float* image, const float* weights, const float* bias, const PoolShape& shape,
                     Bf16Bits* pooled, std::uint8_t* winners) {
  kernels().bf16.conv3_pool(image, weights, bias, shape, pooled, winners);
}

void conv3_pool_relu_backward(const float* image, const float* gradient, const std::uint8_t* winners,
                              const PoolShape& shape, float* weights_gradient, float* bias_gradient) {
  kernels().fp32.conv3_backward(image, gradient, winners, shape, weights_gradient, bias_gradient);
}
void conv3_pool_relu_backward(const float* image, const Bf16Bits* gradient, const std::uint8_t* winners,
                              const PoolShape& shape, float* weights_gradient, float* bias_gradient) {
  kernels().bf16.conv3_backward(image, gradient, winners, shape, weights_gradient, bias_gradient);
}

}  // namespace pulmo
