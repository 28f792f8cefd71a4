#pragma once

#include "core/model/kernel_lanes.h"

/// The transforms of Winograd's filtering F(4, 3) of one dimension, of vectors of channels: see winograd_kernels.h.
namespace pulmo {

constexpr float kHalfRoot = 0.70710678118654752F;  // 1/sqrt(2)
constexpr float kRoot = 1.41421356237309505F;
constexpr float kThird = 1.0F / 3.0F;
// Of the products' sizes. Sums of many tiles' products are better known.
constexpr float kNoise = 3e-7F, kNoiseOfSums = 1e-7F;

// B' d.
PULMO_INLINE void transform_input(const Floats (&d)[6], Floats (&t)[6]) {
  t[0] = d[0] - 2.5F * d[2] + d[4];
  const Floats even1 = d[4] - 2.0F * d[2], odd1 = kHalfRoot * d[3] - kRoot * d[1];
  t[1] = even1 + odd1;
  t[2] = even1 - odd1;
  const Floats even2 = d[4] - 0.5F * d[2], odd2 = kRoot * d[3] - kHalfRoot * d[1];
  t[3] = even2 + odd2;
  t[4] = even2 - odd2;
  t[5] = d[1] - 2.5F * d[3] + d[5];
}

// A' m.
PULMO_INLINE void transform_output(const Floats (&m)[6], Floats (&y)[4]) {
  const Floats sum1 = m[1] + m[2], difference1 = m[1] - m[2];
  const Floats sum2 = m[3] + m[4], difference2 = m[3] - m[4];
  y[0] = m[0] + sum1 + sum2;
  y[1] = kHalfRoot * difference1 + kRoot * difference2;
  y[2] = 0.5F * sum1 + 2.0F * sum2;
  y[3] = m[5] + 0.5F * kHalfRoot * difference1 + 2.0F * kRoot * difference2;
}

// A y, what the gradient of four results means to the six products.
PULMO_INLINE void transform_gradient(const Floats (&y)[4], Floats (&z)[6]) {
  z[0] = y[0];
  const Floats even1 = y[0] + 0.5F * y[2], odd1 = kHalfRoot * y[1] + 0.5F * kHalfRoot * y[3];
  z[1] = even1 + odd1;
  z[2] = even1 - odd1;
  const Floats even2 = y[0] + 2.0F * y[2], odd2 = kRoot * y[1] + 2.0F * kRoot * y[3];
  z[3] = even2 + odd2;
  z[4] = even2 - odd2;
  z[5] = y[3];
}

// G g.
PULMO_INLINE void transform_weights(const Floats (&g)[3], Floats (&u)[6]) {
  u[0] = g[0];
  const Floats even1 = kThird * (-2.0F * g[0] - g[2]), odd1 = -kThird * kRoot * g[1];
  u[1] = even1 + odd1;
  u[2] = even1 - odd1;
  const Floats even2 = kThird * (0.5F * g[0] + g[2]), odd2 = kThird * kHalfRoot * g[1];
  u[3] = even2 + odd2;
  u[4] = even2 - odd2;
  u[5] = g[2];
}

// G' u.
PULMO_INLINE void transform_weights_back(const Floats (&u)[6], Floats (&g)[3]) {
  const Floats sum1 = u[1] + u[2], difference1 = u[1] - u[2];
  const Floats sum2 = u[3] + u[4], difference2 = u[3] - u[4];
  g[0] = u[0] + kThird * (0.5F * sum2 - 2.0F * sum1);
  g[1] = kThird * (kHalfRoot * difference2 - kRoot * difference1);
  g[2] = u[5] + kThird * (sum2 - sum1);
}

// Where all that a result is made of is 0, as around masked lungs, the plain convolution gives 0, and products of the
// whole tile add up to their rounding errors. A ReLU or Adam would take those for a signal.
PULMO_INLINE Floats without_noise(const Floats& value, const Floats& noise) {
  return (value < noise) & (value > -noise) ? Floats{} : value;
}

/// Adds the six values' sizes to a sum.
PULMO_INLINE void add_sizes(const Floats (&values)[6], Floats& sum) {
  for (const Floats& value : values) sum += value < 0.0F ? -value : value;
}

}  // namespace pulmo
