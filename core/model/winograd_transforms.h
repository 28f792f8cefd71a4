#pragma once

#include <cstdint>

#include "core/model/kernel_lanes.h"

/// The transforms of Winograd's filtering F(4, 3) of one dimension, of vectors of channels: see winograd_kernels.h.
/// They read every kStep-th value.
namespace pulmo {

constexpr float kHalfRoot = 0.70710678118654752F;  // 1/sqrt(2)
constexpr float kRoot = 1.41421356237309505F;
constexpr float kThird = 1.0F / 3.0F;
// Of the products' sizes. Sums of many tiles' products are better known.
constexpr float kNoise = 3e-7F, kNoiseOfSums = 1e-7F;

// B' d.
struct OfInput {
  template <std::int64_t kStep>
  PULMO_INLINE void apply(const Floats* d, Floats* t) {
    t[0] = d[0] - 2.5F * d[2 * kStep] + d[4 * kStep];
    const Floats even1 = d[4 * kStep] - 2.0F * d[2 * kStep], odd1 = kHalfRoot * d[3 * kStep] - kRoot * d[kStep];
    t[1] = even1 + odd1;
    t[2] = even1 - odd1;
    const Floats even2 = d[4 * kStep] - 0.5F * d[2 * kStep], odd2 = kRoot * d[3 * kStep] - kHalfRoot * d[kStep];
    t[3] = even2 + odd2;
    t[4] = even2 - odd2;
    t[5] = d[kStep] - 2.5F * d[3 * kStep] + d[5 * kStep];
  }
};

// A' m.
template <std::int64_t kStep = 1>
PULMO_INLINE void transform_output(const Floats* m, Floats* y) {
  const Floats sum1 = m[kStep] + m[2 * kStep], difference1 = m[kStep] - m[2 * kStep];
  const Floats sum2 = m[3 * kStep] + m[4 * kStep], difference2 = m[3 * kStep] - m[4 * kStep];
  y[0] = m[0] + sum1 + sum2;
  y[1] = kHalfRoot * difference1 + kRoot * difference2;
  y[2] = 0.5F * sum1 + 2.0F * sum2;
  y[3] = m[5 * kStep] + 0.5F * kHalfRoot * difference1 + 2.0F * kRoot * difference2;
}

// A y, what the gradient of four results means to the six products.
struct OfGradient {
  template <std::int64_t kStep>
  PULMO_INLINE void apply(const Floats* y, Floats* z) {
    z[0] = y[0];
    const Floats even1 = y[0] + 0.5F * y[2 * kStep], odd1 = kHalfRoot * y[kStep] + 0.5F * kHalfRoot * y[3 * kStep];
    z[1] = even1 + odd1;
    z[2] = even1 - odd1;
    const Floats even2 = y[0] + 2.0F * y[2 * kStep], odd2 = kRoot * y[kStep] + 2.0F * kRoot * y[3 * kStep];
    z[3] = even2 + odd2;
    z[4] = even2 - odd2;
    z[5] = y[3 * kStep];
  }
};

// G g.
struct OfWeights {
  template <std::int64_t kStep>
  PULMO_INLINE void apply(const Floats* g, Floats* u) {
    u[0] = g[0];
    const Floats even1 = kThird * (-2.0F * g[0] - g[2 * kStep]), odd1 = -kThird * kRoot * g[kStep];
    u[1] = even1 + odd1;
    u[2] = even1 - odd1;
    const Floats even2 = kThird * (0.5F * g[0] + g[2 * kStep]), odd2 = kThird * kHalfRoot * g[kStep];
    u[3] = even2 + odd2;
    u[4] = even2 - odd2;
    u[5] = g[2 * kStep];
  }
};

// G' u.
template <std::int64_t kStep = 1>
PULMO_INLINE void transform_weights_back(const Floats* u, Floats* g) {
  const Floats sum1 = u[kStep] + u[2 * kStep], difference1 = u[kStep] - u[2 * kStep];
  const Floats sum2 = u[3 * kStep] + u[4 * kStep], difference2 = u[3 * kStep] - u[4 * kStep];
  g[0] = u[0] + kThird * (0.5F * sum2 - 2.0F * sum1);
  g[1] = kThird * (kHalfRoot * difference2 - kRoot * difference1);
  g[2] = u[5 * kStep] + kThird * (sum2 - sum1);
}

PULMO_INLINE Floats size_of(const Floats& value) {
  return reinterpret_cast<Floats>(reinterpret_cast<Words>(value) & 0x7fffffff);
}

// Where all that a result is made of is 0, as around masked lungs, the plain convolution gives 0, and products of the
// whole tile add up to their rounding errors. A ReLU or Adam would take those for a signal.
PULMO_INLINE Floats without_noise(const Floats& value, const Floats& noise) {
  return size_of(value) < noise ? Floats{} : value;
}

// 0, or no number where the products are too large for float32: without_noise() would make 0 of what is not.
PULMO_INLINE Floats overflow(const Floats& size) {
  return 0.0F * size;
}

/// Adds the six values' sizes to a sum, in pairs: it would else wait for one addition after the other.
PULMO_INLINE void add_sizes(const Floats (&values)[6], Floats& sum) {
  const Floats first = size_of(values[0]) + size_of(values[1]);
  const Floats second = size_of(values[2]) + size_of(values[3]);
  sum += first + second + (size_of(values[4]) + size_of(values[5]));
}

}  // namespace pulmo
