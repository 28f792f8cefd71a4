// Compiled once for each generation of processors (CMakeLists.txt names the flags and PULMO_VARIANT); norm_kernels.cpp
// picks one at run time. Nothing inline from a header may be used here but kernel_lanes.h: the linker keeps one copy of
// an inline function for the whole program, and that copy could hold instructions that an older processor lacks.
#include "core/model/norm_kernels_variant.h"

#include <cstdint>
#include <cstring>

#include "core/model/kernel_lanes.h"

namespace pulmo {
namespace {

constexpr std::int64_t kPixelsAtOnce = 8;  // of which a channel's sums stay in registers

template <bool kAdds, typename Real>
PULMO_INLINE void forward(const Real* maps, const NormChannels& channels, const NormShape& shape, const Real* added,
                          Real* result) {
  for (std::int64_t pixel = 0; pixel < shape.pixels; ++pixel) {
    for (std::int64_t c = 0; c < shape.channels; c += kLanes) {
      Floats value = load(maps + c) * load(channels.scale + c) + load(channels.shift + c);
      if constexpr (kAdds) value += load(added + pixel * shape.whole_channels + c);
      store(result + c, value <= 0.0F ? Floats{} : value);
    }
    maps += shape.channels;
    result += shape.whole_channels;
  }
}

/// kLanes channels of some pixels.
template <bool kAdds, typename Real>
PULMO_INLINE void backward_lanes(const Real* maps, const Real* gradient, const NormChannels& channels,
                                 const NormShape& shape, std::int64_t pixels, const NormAdded<Real>& added,
                                 Real* maps_gradient, const NormSums& sums) {
  const Floats scale = load(channels.scale), shift = load(channels.shift), mean = load(channels.mean);
  Floats centred{}, plain{};
  for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
    const std::int64_t whole = pixel * shape.whole_channels;
    const Floats value = load(maps + pixel * shape.channels);
    Floats sum = value * scale + shift;
    if constexpr (kAdds) sum += load(added.values + whole);
    const Floats passed = sum <= 0.0F ? Floats{} : load(gradient + whole);
    if constexpr (kAdds) store(added.gradient + whole, passed);
    centred += passed * (value - mean);
    plain += passed;
    store(maps_gradient + pixel * shape.channels, passed * scale);
  }
  store(sums.centred, load(sums.centred) + centred);
  store(sums.plain, load(sums.plain) + plain);
}

template <bool kAdds, typename Real>
PULMO_INLINE void backward(const Real* maps, const Real* gradient, const NormChannels& channels, const NormShape& shape,
                           const NormAdded<Real>& added, Real* maps_gradient, const NormSums& sums) {
  for (std::int64_t pixel = 0; pixel < shape.pixels; pixel += kPixelsAtOnce) {
    const std::int64_t left = shape.pixels - pixel;
    const std::int64_t pixels = left < kPixelsAtOnce ? left : kPixelsAtOnce;
    for (std::int64_t c = 0; c < shape.channels; c += kLanes) {
      const std::int64_t piece = pixel * shape.channels + c;
      const std::int64_t whole = pixel * shape.whole_channels + c;
      NormAdded<Real> here;
      if constexpr (kAdds) here = {added.values + whole, added.gradient + whole};
      backward_lanes<kAdds>(maps + piece, gradient + whole, {channels.scale + c, channels.shift + c, channels.mean + c},
                            shape, pixels, here, maps_gradient + piece, {sums.centred + c, sums.plain + c});
    }
  }
}

template <typename Real>
void forward_any(const Real* maps, const NormChannels& channels, const NormShape& shape, const Real* added,
                 Real* result) {
  if (added == nullptr) {
    forward<false>(maps, channels, shape, added, result);
  } else {
    forward<true>(maps, channels, shape, added, result);
  }
}

template <typename Real>
void backward_any(const Real* maps, const Real* gradient, const NormChannels& channels, const NormShape& shape,
                  const NormAdded<Real>& added, Real* maps_gradient, const NormSums& sums) {
  const std::size_t bytes = static_cast<std::size_t>(shape.channels) * sizeof(float);
  std::memset(sums.centred, 0, bytes);
  std::memset(sums.plain, 0, bytes);
  if (added.values == nullptr) {
    backward<false>(maps, gradient, channels, shape, added, maps_gradient, sums);
  } else {
    backward<true>(maps, gradient, channels, shape, added, maps_gradient, sums);
  }
}

}  // namespace

NormKernels PULMO_VARIANT_NAME(norm_kernels_, PULMO_VARIANT)() {
  return {{forward_any<float>, backward_any<float>}, {forward_any<Bf16Bits>, backward_any<Bf16Bits>}};
}

}  // namespace pulmo
