#include "core/model/inference_module.h"

#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>

#include "core/model/features.h"
#include "core/model/native_network.h"
#include "core/model/shape_text.h"
#include "core/model/torch_device.h"
#include "core/support/error.h"
#include "core/support/log.h"
#include "core/support/processors.h"
#include "core/support/seed.h"

namespace pulmo {
namespace {

constexpr double kSameProbability = 1e-6;
constexpr double kSameOfNetwork = 1e-5;  // its code is known to be the same

/// Of two inputs.
std::vector<std::int64_t> probe_shape(const BundleMetadata& metadata) {
  const std::int64_t size = metadata.spec.size_px;
  if (metadata.input != BundleInput::kImage) return {2, static_cast<std::int64_t>(feature_names().size())};
  if (metadata.depth == 0) return {2, metadata.channels, size, size};
  return {2, metadata.channels, metadata.depth, size, size};
}

/// Uniform noise.
torch::Tensor probe_of(const BundleMetadata& metadata) {
  torch::Tensor probe = at::empty(probe_shape(metadata));
  Random random(derive_seed(0, "probe"));
  std::generate_n(probe.data_ptr<float>(), probe.numel(), [&] { return static_cast<float>(random.uniform()); });
  return probe;
}

bool are_same(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [tolerance](double x, double y) { return std::abs(x - y) <= tolerance; });
}

/// What went wrong, of a message of many lines: the interpreter's tell the way there first, and name an error last.
std::string essence(const std::string& text) {
  const std::size_t named = text.rfind("Error: ");
  const std::size_t within = named == std::string::npos ? 0 : named;
  const std::size_t begin = text.rfind('\n', within) + 1;
  return text.substr(begin, text.find('\n', begin) - begin);
}

[[noreturn]] void refuse_to_run(const BundleMetadata& metadata, const std::string& why) {
  throw InvalidInput("bundle", "the model does not run on the input that its metadata tells, " +
                                   shape_text(probe_shape(metadata)) + ": " + essence(why));
}

Forward forward_of(const torch::jit::Module& module, std::int64_t classes) {
  return [module, classes](const torch::Tensor& input) { return run_module(module, input, classes); };
}

/// Empty where the script is quicker, as on a processor that there are no kernels for, or is not ours.
Forward forward_of_network(const Bundle& bundle) {
  if (processor_level() == ProcessorLevel::kAny || !predicts_quicker_than_script(bundle.metadata.row)) return {};
  const std::shared_ptr<Network> network = native_network(bundle);
  if (!network) return {};
  return [network](const torch::Tensor& input) {
    const c10::InferenceMode inference;
    return network->forward(input, {});
  };
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

Inference prepare_for_inference(const Bundle& bundle, Device device) {
  torch::jit::Module on_device = bundle.module;  // shares the weights
  on_device.to(torch_device(device));
  torch::Tensor probe;
  const auto classes = static_cast<std::int64_t>(bundle.metadata.class_names.size());
  Inference plain{forward_of(bundle.module, classes), InferenceForm::kScript};
  const auto answer_of = [&](const Forward& forward) { return softmax(forward(probe), bundle.metadata.temperature); };
  std::vector<double> expected;
  try {
    probe = probe_of(bundle.metadata).to(torch_device(device));
    expected = answer_of(plain.forward);
  } catch (const InvalidInput&) {
    throw;
  } catch (const c10::Error& error) {
    refuse_to_run(bundle.metadata, error.what_without_backtrace());
  } catch (const std::exception& error) {  // what the interpreter throws of its own
    refuse_to_run(bundle.metadata, error.what());
  }
  if (!std::all_of(expected.begin(), expected.end(), [](double p) { return std::isfinite(p); })) {
    throw InvalidInput("bundle", "the model answers with what are no numbers: its weights are damaged, or it diverged");
  }
  if (bundle.metadata.input != BundleInput::kImage || device.is_gpu()) return plain;
  const auto is_as_good = [&](const Inference& form, double tolerance) {
    return form.forward && are_same(answer_of(form.forward), expected, tolerance);
  };
  try {
    Inference network{forward_of_network(bundle), InferenceForm::kNetwork};
    if (is_as_good(network, kSameOfNetwork)) return network;
    torch::jit::Module module = bundle.module;
    Inference packed{forward_of(torch::jit::optimize_for_inference(module), classes), InferenceForm::kPacked};
    if (is_as_good(packed, kSameProbability)) return packed;
  } catch (const std::exception&) {  // an operator that the passes cannot handle: serve it as it is
  }
  log_warning("the model is served without packed weights", {{"row", bundle.metadata.row}});
  return plain;
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
