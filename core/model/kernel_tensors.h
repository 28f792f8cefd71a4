#pragma once

#include <torch/types.h>

#include "core/model/bf16_bits.h"
#include "core/support/processors.h"

/// How LibTorch's tensors are handed to kernels on channels-last maps.
namespace pulmo {

inline constexpr std::int64_t kChannelsAtOnce = 16;  ///< channels must be a multiple of it

/// The layout with channels last of maps (N,C,H,W) or volumes (N,C,D,H,W).
inline at::MemoryFormat last_channels(const torch::Tensor& maps) {
  return maps.dim() == 5 ? at::MemoryFormat::ChannelsLast3d : at::MemoryFormat::ChannelsLast;
}

/// Whether there are kernels for maps of this type and place, on this processor.
inline bool have_kernels_for(const torch::Tensor& maps) {
  const bool known = maps.scalar_type() == at::kFloat || maps.scalar_type() == at::kBFloat16;
  return known && maps.device().is_cpu() && processor_level() != ProcessorLevel::kAny;
}

/// Calls body(Real()) with the type that the kernels know the tensor's values by (have_kernels_for).
template <typename Body>
void with_real(const torch::Tensor& tensor, const Body& body) {
  if (tensor.scalar_type() == at::kFloat) {  // NOLINT(bugprone-branch-clone): of different types
    body(float());
  } else {
    body(Bf16Bits());
  }
}

template <typename Real>
Real* values_of(const torch::Tensor& tensor) {
  return static_cast<Real*>(tensor.data_ptr());
}

/// Sums of each image, added in the order of the images: the result does not depend on the number of threads.
inline torch::Tensor sum_over_images(const torch::Tensor& parts, at::ScalarType type) {
  return parts.sum(0).to(type);
}

}  // namespace pulmo
