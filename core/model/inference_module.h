#pragma once

#include <ATen/core/Tensor.h>

#include "core/model/bundle.h"

namespace pulmo {

/// Runs the module on its input; returns logits (N,K). Throws InvalidInput("bundle") when they have another shape.
/// Thread-safe.
torch::Tensor run_module(const torch::jit::Module& module, const torch::Tensor& input, std::int64_t classes);

/// The module of the bundle made ready to serve: tried once on an input of the bundle's shape, and for images
/// replaced by LibTorch's inference form (constants folded, convolutions with packed weights) where that gives the same
/// probabilities to 1e-6. Throws InvalidInput("bundle") when it does not run on the input its metadata tells, or its
/// logits do not fit the classes.
torch::jit::Module prepare_for_inference(const Bundle& bundle);

/// softmax(logits / temperature) of (N,K) logits in double precision, row-major.
std::vector<double> softmax(const torch::Tensor& logits, double temperature);

}  // namespace pulmo
