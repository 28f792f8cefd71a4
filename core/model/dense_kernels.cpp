#include "core/model/dense_kernels.h"

#include "core/model/dense_kernels_variant.h"
#include "core/model/kernel_choice.h"

namespace pulmo {
namespace {

const DenseKernels& kernels() {
  static const DenseKernels best = PULMO_KERNELS(dense_kernels);
  return best;
}

}  // namespace

std::int64_t dense_scratch_size(const DenseShape& shape, std::int64_t outputs) {
  constexpr std::int64_t kMostLanes = 16;
  return shape.samples * (kDenseRow + outputs * kMostLanes);
}

void dense_outputs(const float* values, const float* weights, const float* bias, const DenseShape& shape,
                   std::int64_t begin, std::int64_t end, float* scratch, float* result) {
  kernels().outputs(values, weights, bias, shape, begin, end, scratch, result);
}

}  // namespace pulmo
