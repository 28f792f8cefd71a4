#include "core/image/row_kernels.h"

#include "core/image/row_kernels_variant.h"

namespace pulmo {
namespace {

RowKernels best_kernels() {
#ifdef PULMO_X86_VARIANTS
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                  __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  if (v4) return row_kernels_v4();
  if (v3) return row_kernels_v3();
#endif
  return row_kernels_any();
}

}  // namespace

const RowKernels& row_kernels() {
  static const RowKernels best = best_kernels();
  return best;
}

}  // namespace pulmo
