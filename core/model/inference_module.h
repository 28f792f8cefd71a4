#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "core/model/bundle.h"
#include "core/model/device.h"

namespace pulmo {

/// Runs the module on its input, which lies where its weights do; returns logits (N,K). Throws InvalidInput("bundle")
/// when they have another shape. Thread-safe.
torch::Tensor run_module(const torch::jit::Module& module, const torch::Tensor& input, std::int64_t classes);

/// Logits (N,K) of an input that lies on the device, thread-safe.
using Forward = std::function<torch::Tensor(const torch::Tensor& input)>;

/// The module of the bundle made ready to serve on `device`: tried once on an input of the bundle's shape, and for
/// images on the processor replaced by the network itself that it is the script of, where that is quicker
/// (native_network.h), or by LibTorch's inference form (constants folded, convolutions with packed weights), if that
/// gives the same probabilities to 1e-6. Throws InvalidInput("bundle") when it does not run on the input its metadata
/// tells, its logits do not fit the classes, or its probabilities are no numbers.
Forward prepare_for_inference(const Bundle& bundle, Device device = {});

/// softmax(logits / temperature) of (N,K) logits on any device, in double precision, row-major.
std::vector<double> softmax(const torch::Tensor& logits, double temperature);

}  // namespace pulmo
