#include "core/model/inference_module.h"

#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>

#include "core/model/features.h"
#include "core/model/torch_device.h"
#include "core/support/error.h"
#include "core/support/log.h"
#include "core/support/seed.h"

namespace pulmo {
namespace {

constexpr double kSameProbability = 1e-6;

/// Two inputs of uniform noise, of the shape that the metadata tells.
torch::Tensor probe_of(const BundleMetadata& metadata) {
  const std::int64_t size = metadata.spec.size_px;
  const auto features = static_cast<std::int64_t>(feature_names().size());
  const bool on_images = metadata.input == BundleInput::kImage;
  torch::Tensor probe = !on_images            ? at::empty({2, features})
                        : metadata.depth == 0 ? at::empty({2, metadata.channels, size, size})
                                              : at::empty({2, metadata.channels, metadata.depth, size, size});
  Random random(derive_seed(0, "probe"));
  std::generate_n(probe.data_ptr<float>(), probe.numel(), [&] { return static_cast<float>(random.uniform()); });
  return probe;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

}  // namespace

torch::Tensor run_module(const torch::jit::Module& module, const torch::Tensor& input, std::int64_t classes) {
  const c10::InferenceMode inference;
  torch::Tensor logits = module.get_method("forward")({input}).toTensor();
  if (logits.dim() != 2 || logits.size(0) != input.size(0) || logits.size(1) != classes) {
    throw InvalidInput("bundle", "the model gives no (N,K) logits for its " + std::to_string(classes) + " classes");
  }
  return logits;
}

torch::jit::Module prepare_for_inference(const Bundle& bundle, Device device) {
  torch::jit::Module on_device = bundle.module;  // shares the weights
  on_device.to(torch_device(device));
  const torch::Tensor probe = probe_of(bundle.metadata).to(torch_device(device));
  const auto classes = static_cast<std::int64_t>(bundle.metadata.class_names.size());
  const auto answer_of = [&](const torch::jit::Module& module) {
    return softmax(run_module(module, probe, classes), bundle.metadata.temperature);
  };
  std::vector<double> expected;
  try {
    expected = answer_of(bundle.module);
  } catch (const c10::Error&) {
    throw InvalidInput("bundle", "the model does not run on the input that its metadata tells");
  }
  if (bundle.metadata.input != BundleInput::kImage || device.is_gpu()) return bundle.module;
  try {
    torch::jit::Module plain = bundle.module;
    torch::jit::Module packed = torch::jit::optimize_for_inference(plain);
    if (largest_difference(answer_of(packed), expected) <= kSameProbability) return packed;
  } catch (const c10::Error&) {  // an operator that the passes cannot handle: serve it as it is
  }
  log_warning("the model is served without packed weights", {{"row", bundle.metadata.row}});
  return bundle.module;
}

std::vector<double> softmax(const torch::Tensor& logits, double temperature) {
  const torch::Tensor values = logits.to(at::kCPU, at::kDouble).contiguous();
  const std::int64_t classes = values.size(1);
  std::vector<double> result(values.data_ptr<double>(), values.data_ptr<double>() + values.numel());
  for (auto row = result.begin(); row != result.end(); row += classes) {
    const double highest = *std::max_element(row, row + classes);
    double sum = 0.0;
    for (auto value = row; value != row + classes; ++value) sum += * value = std::exp((*value - highest) / temperature);
    for (auto value = row; value != row + classes; ++value) *value /= sum;
  }
  return result;
}

}  // namespace pulmo
