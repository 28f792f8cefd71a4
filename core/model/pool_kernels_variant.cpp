// Compiled once for each generation of processors (CMakeLists.txt names the flags and PULMO_VARIANT); pool_kernels.cpp
// picks one at run time. Nothing inline from a header may be used here but kernel_lanes.h and pool_lanes.h: the linker
// keeps one copy of an inline function for the whole program, and that copy could hold instructions that an older
// processor lacks.
#include <cstdint>
#include <cstring>

#include "core/model/kernel_lanes.h"
#include "core/model/pool_kernels.h"
#include "core/model/pool_kernels_variant.h"
#include "core/model/pool_lanes.h"

namespace pulmo {
namespace {

template <typename Real>
PULMO_INLINE void pool(const Real* maps, const float* bias, const PoolShape& shape, Real* pooled,
                       std::uint8_t* winners) {
  const std::int64_t c_count = shape.channels;
  for (std::int64_t y = 0; y < shape.height / 2; ++y) {
    for (std::int64_t x = 0; x < shape.width / 2; ++x) {
      const Real* top = maps + (2 * y * shape.width + 2 * x) * c_count;
      const Real* bottom = top + shape.width * c_count;
      for (std::int64_t c = 0; c < c_count; c += kLanes) {
        Winner winner{load(top + c), Words{}};
        compete(winner, load(top + c_count + c), 1);
        compete(winner, load(bottom + c), 2);
        compete(winner, load(bottom + c_count + c), 3);
        finish(winner, load(bias + c), pooled + c, winners + c);
      }
      pooled += c_count;
      winners += c_count;
    }
  }
}

template <typename Real>
PULMO_INLINE void clear_odd_edges(const PoolShape& shape, Real* maps_gradient) {
  const std::int64_t row = shape.width * shape.channels;
  if (shape.width % 2 != 0) {
    for (std::int64_t y = 0; y < shape.height; ++y) {
      std::memset(maps_gradient + (y + 1) * row - shape.channels, 0,
                  static_cast<std::size_t>(shape.channels) * sizeof(Real));
    }
  }
  if (shape.height % 2 != 0) {
    std::memset(maps_gradient + (shape.height - 1) * row, 0, static_cast<std::size_t>(row) * sizeof(Real));
  }
}

// Sums of a row first, then of the rows: the rounding errors of long sums stay small.
template <typename Real>
PULMO_INLINE void pool_backward(const Real* gradient, const std::uint8_t* winners, const PoolShape& shape,
                                Real* maps_gradient, float* bias_gradient) {
  const std::int64_t c_count = shape.channels;
  const std::int64_t width = shape.width / 2;
  std::memset(bias_gradient, 0, static_cast<std::size_t>(c_count) * sizeof(float));
  for (std::int64_t y = 0; y < shape.height / 2; ++y) {
    Real* top = maps_gradient + 2 * y * shape.width * c_count;
    Real* bottom = top + shape.width * c_count;
    for (std::int64_t c = 0; c < c_count; c += kLanes) {
      Floats row_sum{};
      for (std::int64_t x = 0; x < width; ++x) {
        const std::int64_t from = (y * width + x) * c_count + c;
        const std::int64_t to = 2 * x * c_count + c;
        const Floats value = load(gradient + from);
        const Words place = places_of(winners + from);
        const Floats none{};
        row_sum += place != kNoWinner ? value : none;
        store(top + to, place == 0 ? value : none);
        store(top + to + c_count, place == 1 ? value : none);
        store(bottom + to, place == 2 ? value : none);
        store(bottom + to + c_count, place == 3 ? value : none);
      }
      store(bias_gradient + c, load(bias_gradient + c) + row_sum);
    }
  }
  clear_odd_edges(shape, maps_gradient);
}

// Sums of some windows first, as above.
template <typename Real>
PULMO_INLINE void sum_where_won(const Real* gradient, const std::uint8_t* winners, std::int64_t count,
                                std::int64_t channels, float* bias_gradient) {
  constexpr std::int64_t kAtOnce = 64;
  std::memset(bias_gradient, 0, static_cast<std::size_t>(channels) * sizeof(float));
  for (std::int64_t first = 0; first < count; first += kAtOnce) {
    const std::int64_t end = first + kAtOnce < count ? first + kAtOnce : count;
    for (std::int64_t c = 0; c < channels; c += kLanes) {
      Floats sum{};
      for (std::int64_t i = first * channels + c; i < end * channels; i += channels) {
        sum += places_of(winners + i) != kNoWinner ? load(gradient + i) : Floats{};
      }
      store(bias_gradient + c, load(bias_gradient + c) + sum);
    }
  }
}

// The four convolutions of one window share its 4x4 pixels.
PULMO_INLINE Winner convolve_window(const float* corner, std::int64_t stride, const Floats (&weights)[9]) {
  Winner winner{};
  for (std::int32_t place = 0; place < 4; ++place) {
    const float* from = corner + (place / 2) * stride + place % 2;
    Floats sum{};
    for (std::int64_t tap = 0; tap < 9; ++tap) sum += weights[tap] * from[(tap / 3) * stride + tap % 3];
    if (place == 0) {
      winner = {sum, Words{}};
    } else {
      compete(winner, sum, place);
    }
  }
  return winner;
}

template <bool kWinners, typename Real>
PULMO_INLINE void convolve_and_pool(const float* image, const float* weights, const float* bias, const PoolShape& shape,
                                    Real* pooled, std::uint8_t* winners) {
  const std::int64_t stride = shape.width + 2;
  const std::int64_t width = shape.width / 2;
  for (std::int64_t y = 0; y < shape.height / 2; ++y) {
    for (std::int64_t c = 0; c < shape.channels; c += kLanes) {
      Floats block[9];
      for (std::int64_t tap = 0; tap < 9; ++tap) block[tap] = load(weights + tap * shape.channels + c);
      const Floats block_bias = load(bias + c);
      for (std::int64_t x = 0; x < width; ++x) {
        const std::int64_t to = (y * width + x) * shape.channels + c;
        const Winner winner = convolve_window(image + 2 * y * stride + 2 * x, stride, block);
        finish(winner, block_bias, pooled + to, kWinners ? winners + to : nullptr);
      }
    }
  }
}

// Without winners nothing is done for them.
template <typename Real>
PULMO_INLINE void conv3_pool(const float* image, const float* weights, const float* bias, const PoolShape& shape,
                             Real* pooled, std::uint8_t* winners) {
  if (winners == nullptr) {
    convolve_and_pool<false>(image, weights, bias, shape, pooled, winners);
  } else {
    convolve_and_pool<true>(image, weights, bias, shape, pooled, winners);
  }
}

template <typename Real>
PULMO_INLINE void conv3_row_backward(const float* corner, const Real* gradient, const std::uint8_t* winners,
                                     const PoolShape& shape, Floats (&sums)[10]) {
  const std::int64_t stride = shape.width + 2;
  for (std::int64_t x = 0; x < shape.width / 2; ++x) {
    const Floats value = load(gradient + x * shape.channels);
    const Words place = places_of(winners + x * shape.channels);
    for (std::int32_t window = 0; window < 4; ++window) {
      const Floats won = place == window ? value : Floats{};
      const float* from = corner + 2 * x + (window / 2) * stride + window % 2;
      sums[9] += won;
      for (std::int64_t tap = 0; tap < 9; ++tap) sums[tap] += won * from[(tap / 3) * stride + tap % 3];
    }
  }
}

template <typename Real>
PULMO_INLINE void conv3_backward(const float* image, const Real* gradient, const std::uint8_t* winners,
                                 const PoolShape& shape, float* weights_gradient, float* bias_gradient) {
  const std::int64_t row = shape.width / 2 * shape.channels;
  for (std::int64_t c = 0; c < shape.channels; c += kLanes) {
    Floats totals[10] = {};
    for (std::int64_t y = 0; y < shape.height / 2; ++y) {
      Floats sums[10] = {};
      conv3_row_backward(image + 2 * y * (shape.width + 2), gradient + y * row + c, winners + y * row + c, shape, sums);
      for (int i = 0; i < 10; ++i) totals[i] += sums[i];
    }
    for (std::int64_t tap = 0; tap < 9; ++tap) {
      store(weights_gradient + tap * shape.channels + c, totals[tap]);
    }
    store(bias_gradient + c, totals[9]);
  }
}

}  // namespace

PoolKernels PULMO_VARIANT_NAME(pool_kernels_, PULMO_VARIANT)() {
  return {{pool<float>, pool_backward<float>, sum_where_won<float>, conv3_pool<float>, conv3_backward<float>},
          {pool<Bf16Bits>, pool_backward<Bf16Bits>, sum_where_won<Bf16Bits>, conv3_pool<Bf16Bits>,
           conv3_backward<Bf16Bits>}};
}

}  // namespace pulmo
