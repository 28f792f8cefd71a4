#pragma once

#include "core/image/row_kernels.h"

namespace pulmo {

/// For any processor, for AVX2 (x86-64-v3) and for AVX-512 (x86-64-v4).
RowKernels row_kernels_any();
RowKernels row_kernels_v3();
RowKernels row_kernels_v4();

}  // namespace pulmo
