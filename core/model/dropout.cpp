#include "core/model/dropout.h"

#include <ATen/ops/empty.h>

#include <stdexcept>
#include <string>

#include "core/support/seed.h"

namespace pulmo {
namespace {

/// (N,F) float32: 0 where dropped, 1 / (1 - rate) elsewhere.
torch::Tensor mask_of(SampleSeeds seeds, std::int64_t units, std::uint64_t layer, double rate) {
  const auto count = static_cast<std::int64_t>(seeds.size());
  torch::Tensor mask = at::empty({count, units}, at::kFloat);
  float* out = mask.data_ptr<float>();
  const auto kept = static_cast<float>(1.0 / (1.0 - rate));
  for (const std::uint64_t seed : seeds) {
    const std::uint64_t stream = split_mix(seed ^ split_mix(layer));
    for (std::int64_t unit = 0; unit < units; ++unit) {
      const std::uint64_t bits = split_mix(stream + static_cast<std::uint64_t>(unit));
      const double draw = static_cast<double>(bits >> 11U) * 0x1.0p-53;  // uniform in [0, 1)
      *out++ = draw < rate ? 0.0F : kept;
    }
  }
  return mask;
}

}  // namespace

torch::Tensor dropout(const torch::Tensor& values, SampleSeeds seeds, std::uint64_t layer, double rate) {
  if (!(rate >= 0.0 && rate < 1.0)) throw std::invalid_argument("dropout rate " + std::to_string(rate));
  if (seeds.empty() || rate == 0.0) return values;
  if (values.dim() != 2 || values.size(0) != static_cast<std::int64_t>(seeds.size())) {
    throw std::invalid_argument("dropout: one seed per sample is needed, got " + std::to_string(seeds.size()));
  }
  const torch::Tensor mask = mask_of(seeds, values.size(1), layer, rate);
  return values * mask.to(values.options());
}

}  // namespace pulmo
