#include "training/outline_loss.h"

#include <ATen/ops/binary_cross_entropy_with_logits.h>

namespace pulmo::training {

torch::Tensor outline_losses(const torch::Tensor& logits, const torch::Tensor& shares) {
  const at::ScalarType type = logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const torch::Tensor x = logits.to(type).flatten(1);
  const torch::Tensor s = shares.to(type).flatten(1);
  const torch::Tensor entropy = at::binary_cross_entropy_with_logits(x, s, {}, {}, at::Reduction::None).mean(1);
  const torch::Tensor p = x.sigmoid();
  const torch::Tensor dice = (2.0 * (p * s).sum(1) + 1.0) / ((p * p).sum(1) + (s * s).sum(1) + 1.0);
  return entropy + 1.0 - dice;
}

}  // namespace pulmo::training
