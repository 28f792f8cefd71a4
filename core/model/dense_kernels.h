#pragma once

#include <cstdint>

namespace pulmo {

// The functions below need a processor of ProcessorLevel::kV3 or kV4. No state; any number of threads at once.

/// A dense layer of very many inputs and few samples, which the way of its weights to memory determines: `samples` rows
/// of `in` values, `out` rows of weights. `in` must be a multiple of 16, `out` of kDenseOutputs.
struct DenseShape {
  std::int64_t samples = 0;
  std::int64_t in = 0;
  std::int64_t out = 0;
};

inline constexpr std::int64_t kDenseOutputs = 4;  ///< made at once

/// The floats of scratch that a call for `outputs` of the outputs needs, best aligned to a line of the cache.
std::int64_t dense_scratch_size(const DenseShape& shape, std::int64_t outputs);

/// result (samples, out) = values (samples, in) times weights (out, in) transposed, plus bias (out): those outputs from
/// `begin` to `end`, multiples of kDenseOutputs. Each sample's sums are added in the same order, whatever its batch.
void dense_outputs(const float* values, const float* weights, const float* bias, const DenseShape& shape,
                   std::int64_t begin, std::int64_t end, float* scratch, float* result);

}  // namespace pulmo
