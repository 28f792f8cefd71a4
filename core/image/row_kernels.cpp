#include "core/image/row_kernels.h"

#include "core/image/row_kernels_variant.h"
#include "core/support/processors.h"

namespace pulmo {
namespace {

RowKernels best_kernels() {
#ifdef __x86_64__
  switch (processor_level()) {
    case ProcessorLevel::kV4: return row_kernels_v4();
    case ProcessorLevel::kV3: return row_kernels_v3();
    case ProcessorLevel::kAny: break;
  }
#endif
  return row_kernels_any();
}

}  // namespace

const RowKernels& row_kernels() {
  static const RowKernels best = best_kernels();
  return best;
}

}  // namespace pulmo
