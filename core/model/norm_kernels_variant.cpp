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

template <typename Real>
PULMO_INLINE void forward(const Real* maps, const NormChannels& channels, const NormShape& shape, Real* result) {
  for (std::int64_t pixel = 0; pixel < shape.pixels; ++pixel) {
    for (std::int64_t c = 0; c < shape.channels; c += kLanes) {
      const Floats value = load(maps + c) * load(channels.scale + c) + load(channels.shift + c);
      store(result + c, value <= 0.0F ? Floats{} : value);
    }
    maps += shape.channels;
    result += shape.whole_channels;
  }
}

/// kLanes channels of some pixels.
template <typename Real>
PULMO_INLINE void backward_lanes(const Real* maps, const Real* gradient, const NormChannels& channels,
                                 const NormShape& shape, std::int64_t pixels, Real* maps_gradient,
                                 const NormSums& sums) {
  const Floats scale = load(channels.scale), shift = load(channels.shift), mean = load(channels.mean);
  Floats centred{}, plain{};
  for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
    const Floats value = load(maps + pixel * shape.channels);
    const Floats arrived = load(gradient + pixel * shape.whole_channels);
    const Floats passed = value * scale + shift <= 0.0F ? Floats{} : arrived;
    centred += passed * (value - mean);
    plain += passed;
    store(maps_gradient + pixel * shape.channels, passed * scale);
  }
  store(sums.centred, load(sums.centred) + centred);
  store(sums.plain, load(sums.plain) + plain);
}

template <typename Real>
PULMO_INLINE void backward(const Real* maps, const Real* gradient, const NormChannels& channels, const NormShape& shape,
                           Real* maps_gradient, const NormSums& sums) {
  const std::size_t bytes = static_cast<std::size_t>(shape.channels) * sizeof(float);
  std::memset(sums.centred, 0, bytes);
  std::memset(sums.plain, 0, bytes);
  for (std::int64_t pixel = 0; pixel < shape.pixels; pixel += kPixelsAtOnce) {
    const std::int64_t left = shape.pixels - pixel;
    const std::int64_t pixels = left < kPixelsAtOnce ? left : kPixelsAtOnce;
    for (std::int64_t c = 0; c < shape.channels; c += kLanes) {
      const std::int64_t piece = pixel * shape.channels + c;
      backward_lanes(maps + piece, gradient + pixel * shape.whole_channels + c,
                     {channels.scale + c, channels.shift + c, channels.mean + c}, shape, pixels, maps_gradient + piece,
                     {sums.centred + c, sums.plain + c});
    }
  }
}

}  // namespace

#define PULMO_CONCATENATE(a, b) a##b
#define PULMO_NAME(variant) PULMO_CONCATENATE(norm_kernels_, variant)

NormKernels PULMO_NAME(PULMO_VARIANT)() {
  return {{forward<float>, backward<float>}, {forward<Bf16Bits>, backward<Bf16Bits>}};
}

}  // namespace pulmo
