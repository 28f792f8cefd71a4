#pragma once

#include "core/support/processors.h"

/// PULMO_KERNELS(pool_kernels) is pool_kernels_v4() or pool_kernels_v3(), compiled for this processor's level, which
/// must be one of them; nothing where there are none, as they are compiled for x86-64 alone.
#ifdef __x86_64__
#define PULMO_KERNELS(name) (::pulmo::processor_level() == ::pulmo::ProcessorLevel::kV4 ? name##_v4() : name##_v3())
#else
#define PULMO_KERNELS(name) \
  {}
#endif
