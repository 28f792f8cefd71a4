#include "training/adam_kernel.h"

#include <cmath>

#include "training/bf16.h"

// One binary for every processor: the loader picks the clone. Sanitizers start too late for its resolver.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define PULMO_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PULMO_CLONES
#endif

namespace pulmo::training {
namespace {

inline float widen(std::uint16_t bits) {
  return widen_bf16(bits);
}
inline float widen(float value) {
  return value;
}
inline double widen(double value) {
  return value;
}

template <typename Real, typename Gradient>
[[gnu::always_inline]] inline void update(Real* __restrict weights, Real* __restrict first, Real* __restrict second,
                                          const Gradient* __restrict gradient, std::uint16_t* __restrict rounded,
                                          std::int64_t count, const AdamStep& step) {
  const auto beta1 = static_cast<Real>(step.beta1), rest1 = static_cast<Real>(1.0 - step.beta1);
  const auto beta2 = static_cast<Real>(step.beta2), rest2 = static_cast<Real>(1.0 - step.beta2);
  const auto epsilon = static_cast<Real>(step.epsilon), rate = static_cast<Real>(step.rate);
  const auto root_scale = static_cast<Real>(step.root_scale), keep = static_cast<Real>(step.keep);
  for (std::int64_t i = 0; i < count; ++i) {
    const Real g = widen(gradient[i]);
    const Real m = beta1 * first[i] + rest1 * g;
    const Real v = beta2 * second[i] + rest2 * g * g;
    const Real w = keep * weights[i] - rate * m / (std::sqrt(v) * root_scale + epsilon);
    first[i] = m;
    second[i] = v;
    weights[i] = w;
    if constexpr (sizeof(Real) == sizeof(float)) {
      if (rounded != nullptr) rounded[i] = round_to_bf16(w);  // weights are finite
    }
  }
}

}  // namespace

PULMO_CLONES void adam_update(float* weights, float* first, float* second, const float* gradient, std::int64_t count,
                              const AdamStep& step) {
  update(weights, first, second, gradient, static_cast<std::uint16_t*>(nullptr), count, step);
}

PULMO_CLONES void adam_update(double* weights, double* first, double* second, const double* gradient,
                              std::int64_t count, const AdamStep& step) {
  update(weights, first, second, gradient, static_cast<std::uint16_t*>(nullptr), count, step);
}

PULMO_CLONES void adam_update_bf16(float* weights, float* first, float* second, const float* gradient,
                                   std::uint16_t* rounded, std::int64_t count, const AdamStep& step) {
  update(weights, first, second, gradient, rounded, count, step);
}

PULMO_CLONES void adam_update_bf16(float* weights, float* first, float* second, const std::uint16_t* gradient,
                                   std::uint16_t* rounded, std::int64_t count, const AdamStep& step) {
  update(weights, first, second, gradient, rounded, count, step);
}

}  // namespace pulmo::training
