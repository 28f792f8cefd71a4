#include "core/model/winograd_kernels.h"

#include <algorithm>

#include "core/model/kernel_choice.h"
#include "core/model/winograd_kernels_variant.h"

namespace pulmo {
namespace {

const WinogradKernels& kernels() {
  static const WinogradKernels best = PULMO_KERNELS(winograd_kernels);
  return best;
}

}  // namespace

WinogradTiles winograd_tiles_at_once(const WinogradShape& shape) {
  constexpr std::int64_t kNearWeights = 1 << 17;  // of one point, below which the weights stay in a near cache
  if (shape.all_in() * shape.out >= kNearWeights) return {.conv = 4 * kWinogradTiles, .weights = 4 * kWinogradTiles};
  return {.conv = kWinogradTiles, .weights = 3 * kWinogradTiles};
}

std::int64_t winograd_scratch_size(const WinogradShape& shape, std::int64_t tiles) {
  const std::int64_t points = tiles * (shape.all_in() + shape.out) + 2 * kWinogradGap;
  return kWinogradPoints * (points + std::max(shape.in, shape.out));
}

void winograd_transform(const float* weights, std::int64_t count, float* transformed) {
  kernels().transform(weights, count, transformed);
}
void winograd_transform_back(const float* transformed, std::int64_t count, float* weights) {
  kernels().transform_back(transformed, count, weights);
}

void winograd_conv(const WinogradMaps<float>& maps, const float* weights, const float* bias, const WinogradShape& shape,
                   const TileRange& tiles, float* scratch, const WinogradResults<float>& results) {
  kernels().fp32.conv(maps, weights, bias, shape, tiles, scratch, results);
}
void winograd_conv(const WinogradMaps<Bf16Bits>& maps, const float* weights, const float* bias,
                   const WinogradShape& shape, const TileRange& tiles, float* scratch,
                   const WinogradResults<Bf16Bits>& results) {
  kernels().bf16.conv(maps, weights, bias, shape, tiles, scratch, results);
}

void winograd_weights_gradient(const float* maps, const WinogradMaps<float>& gradient, const WinogradShape& shape,
                               const TileRange& tiles, float* scratch, float* weights_gradient, bool add) {
  kernels().fp32.weights_gradient(maps, gradient, shape, tiles, scratch, weights_gradient, add);
}
void winograd_weights_gradient(const Bf16Bits* maps, const WinogradMaps<Bf16Bits>& gradient, const WinogradShape& shape,
                               const TileRange& tiles, float* scratch, float* weights_gradient, bool add) {
  kernels().bf16.weights_gradient(maps, gradient, shape, tiles, scratch, weights_gradient, add);
}

}  // namespace pulmo
