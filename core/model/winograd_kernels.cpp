#include "core/model/winograd_kernels.h"

#include <algorithm>

#include "core/model/winograd_kernels_variant.h"
#include "core/support/processors.h"

namespace pulmo {
namespace {

WinogradKernels kernels_of(ProcessorLevel level) {
#ifdef __x86_64__
  return level == ProcessorLevel::kV4 ? winograd_kernels_v4() : winograd_kernels_v3();
#else
  (void)level;
  return {};
#endif
}

const WinogradKernels& kernels() {
  static const WinogradKernels best = kernels_of(processor_level());
  return best;
}

}  // namespace

std::int64_t winograd_tiles_at_once(const WinogradShape& shape) {
  constexpr std::int64_t kNearWeights = 1 << 18;  // of one point, below which the weights stay in a near cache
  return shape.all_in() * shape.out < kNearWeights ? kWinogradTiles : 2 * kWinogradTiles;
}

std::int64_t winograd_scratch_size(const WinogradShape& shape) {
  const std::int64_t points = winograd_tiles_at_once(shape) * (shape.all_in() + shape.out) + 2 * kWinogradGap;
  return kWinogradPoints * (points + std::max(shape.in, shape.out));
}

void winograd_transform(const float* weights, std::int64_t count, float* transformed) {
  kernels().transform(weights, count, transformed);
}
void winograd_transform_back(const float* transformed, std::int64_t count, float* weights) {
  kernels().transform_back(transformed, count, weights);
}

void winograd_conv(const float* maps, const float* weights, const float* bias, const WinogradShape& shape,
                   const TileRange& tiles, float* scratch, float* result) {
  kernels().fp32.conv(maps, weights, bias, shape, tiles, scratch, result);
}
void winograd_conv(const Bf16Bits* maps, const float* weights, const float* bias, const WinogradShape& shape,
                   const TileRange& tiles, float* scratch, Bf16Bits* result) {
  kernels().bf16.conv(maps, weights, bias, shape, tiles, scratch, result);
}

void winograd_weights_gradient(const float* maps, const float* gradient, const WinogradShape& shape,
                               const TileRange& tiles, float* scratch, float* weights_gradient) {
  kernels().fp32.weights_gradient(maps, gradient, shape, tiles, scratch, weights_gradient);
}
void winograd_weights_gradient(const Bf16Bits* maps, const Bf16Bits* gradient, const WinogradShape& shape,
                               const TileRange& tiles, float* scratch, float* weights_gradient) {
  kernels().bf16.weights_gradient(maps, gradient, shape, tiles, scratch, weights_gradient);
}

}  // namespace pulmo
