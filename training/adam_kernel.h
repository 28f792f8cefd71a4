#pragma once

#include <cstdint>

namespace pulmo::training {

/// The numbers of one Adam step that are the same for every weight.
struct AdamStep {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double rate = 0.0;        ///< learning rate / (1 - beta1^t)
  double root_scale = 1.0;  ///< 1 / sqrt(1 - beta2^t)
  double keep = 1.0;        ///< 1 - learning rate * weight decay
};

/// One pass over `count` weights: moments, weights and, where asked, the bf16 rounding of the weights that the network
/// computes with. Every operation is rounded as IEEE 754 says and none is fused, so the result does not depend on the
/// processor: ranks on different machines keep the same weights.
void adam_update(float* weights, float* first, float* second, const float* gradient, std::int64_t count,
                 const AdamStep& step);
void adam_update(double* weights, double* first, double* second, const double* gradient, std::int64_t count,
                 const AdamStep& step);
/// bf16 gradient or parameters are the upper half of a float32; `gradient` may be either type.
void adam_update_bf16(float* weights, float* first, float* second, const float* gradient, std::uint16_t* rounded,
                      std::int64_t count, const AdamStep& step);
void adam_update_bf16(float* weights, float* first, float* second, const std::uint16_t* gradient,
                      std::uint16_t* rounded, std::int64_t count, const AdamStep& step);

}  // namespace pulmo::training
