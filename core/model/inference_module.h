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

/// What runs when a bundle is served.
enum class InferenceForm {
  kScript,   ///< its module as it stands
  kPacked,   ///< LibTorch's inference form of it: constants folded, convolutions with packed weights
  kNetwork,  ///< the network itself that it is the script of (native_network.h)
};

struct Inference {
  Forward forward;
  InferenceForm form = InferenceForm::kScript;
};

/// The module of the bundle made ready to serve on `device`: tried once on an input of the bundle's shape, and for
/// images on the processor replaced by the network, where that is quicker, or by the packed form, if that gives the
/// same probabilities: within 1e-6, of the network within 1e-5, as it rounds otherwise. Throws InvalidInput("bundle")
/// when it does not run on the input its metadata tells, its logits do not fit the classes, or its probabilities are no
/// numbers.
Inference prepare_for_inference(const Bundle& bundle, Device device = {});

/// softmax(logits / temperature) of (N,K) logits on any device, in double precision, row-major.
std::vector<double> softmax(const torch::Tensor& logits, double temperature);

}  // namespace pulmo
