#include "core/model/norm_kernels.h"

#include "core/model/kernel_choice.h"
#include "core/model/norm_kernels_variant.h"

namespace pulmo {
namespace {

const NormKernels& kernels() {
  static const NormKernels best = PULMO_KERNELS(norm_kernels);
  return best;
}

}  // namespace

void norm_relu(const float* maps, const NormChannels& channels, const NormShape& shape, const float* added,
               float* result) {
  kernels().fp32.forward(maps, channels, shape, added, result);
}
void norm_relu(const Bf16Bits* maps, const NormChannels& channels, const NormShape& shape, const Bf16Bits* added,
               Bf16Bits* result) {
  kernels().bf16.forward(maps, channels, shape, added, result);
}

void norm_relu_backward(const float* maps, const float* gradient, const NormChannels& channels, const NormShape& shape,
                        const NormAdded<float>& added, float* maps_gradient, const NormSums& sums) {
  kernels().fp32.backward(maps, gradient, channels, shape, added, maps_gradient, sums);
}
void norm_relu_backward(const Bf16Bits* maps, const Bf16Bits* gradient, const NormChannels& channels,
                        const NormShape& shape, const NormAdded<Bf16Bits>& added, Bf16Bits* maps_gradient,
                        const NormSums& sums) {
  kernels().bf16.backward(maps, gradient, channels, shape, added, maps_gradient, sums);
}

}  // namespace pulmo
