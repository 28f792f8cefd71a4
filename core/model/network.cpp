#include "core/model/network.h"

#include <c10/core/GradMode.h>

#include <algorithm>

#include "core/model/architectures.h"
#include "core/model/layers.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

struct Architecture {
  const char* name;
  std::shared_ptr<Network> (*make)(const NetworkOptions&);
  bool volumes = false;   ///< takes (N,C,D,H,W)
  bool outlines = false;  ///< learns them
  bool quick = false;     ///< predicts quicker than its script with LibTorch's packed weights (docs/benchmarks.md)
};

/// Every architecture of the comparison table: a new one is its own file, a declaration in architectures.h, a line in
/// CMakeLists.txt and one here.
constexpr Architecture kArchitectures[] = {
    {.name = "proposed_cnn", .make = make_proposed_cnn, .quick = true},
    {.name = "attention_cnn", .make = make_attention_cnn, .quick = true},
    {.name = "conventional_cnn", .make = make_conventional_cnn},
    {.name = "squeezenet", .make = make_squeezenet, .quick = true},
    {.name = "resnet18", .make = make_resnet18},
    {.name = "densenet121", .make = make_densenet121, .quick = true},
    {.name = "unet_densenet", .make = make_unet_densenet, .outlines = true, .quick = true},
    {.name = "cnn3d", .make = make_cnn3d, .volumes = true},
    {.name = "slice_attention", .make = make_slice_attention, .volumes = true, .quick = true},
    {.name = "resnet3d", .make = make_resnet3d, .volumes = true, .quick = true},
};

/// Null for an unknown name.
const Architecture* find(const std::string& name) {
  const auto* found = std::find_if(std::begin(kArchitectures), std::end(kArchitectures),
                                   [&](const Architecture& architecture) { return name == architecture.name; });
  return found == std::end(kArchitectures) ? nullptr : found;
}

[[noreturn]] void refuse(const NetworkOptions& options, const std::string& why) {
  throw InvalidInput("configuration", "network " + options.name + ": " + why);
}

void check(const NetworkOptions& options, bool volumes) {
  if (volumes && options.depth < 1) refuse(options, "takes volumes, not single slices");
  if (!volumes && options.depth != 0) {
    refuse(options, "takes slices, the data holds volumes of " + std::to_string(options.depth) + " slices");
  }
  if (options.channels < 1) refuse(options, "channels is " + std::to_string(options.channels) + ", must be positive");
  if (options.classes < 2) refuse(options, "classes is " + std::to_string(options.classes) + ", must be at least 2");
  if (!(options.dropout >= 0.0 && options.dropout < 1.0)) {
    refuse(options, "dropout is " + std::to_string(options.dropout) + ", must be at least 0 and below 1");
  }
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

void require_size(const NetworkOptions& options, std::int64_t minimum) {
  if (options.size_px >= minimum) return;
  refuse(options, "input of " + std::to_string(options.size_px) + " px is too small, it needs at least " +
                      std::to_string(minimum) + " px");
}

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const Architecture& architecture : kArchitectures) names.emplace_back(architecture.name);
  return names;
}

bool takes_volumes(const std::string& name) {
  const Architecture* architecture = find(name);
  return architecture != nullptr && architecture->volumes;
}

bool learns_outlines(const std::string& name) {
  const Architecture* architecture = find(name);
  return architecture != nullptr && architecture->outlines;
}

std::shared_ptr<Network> make_network(const NetworkOptions& options) {
  const Architecture* architecture = find(options.name);
  if (architecture == nullptr) refuse(options, "unknown name; known are " + joined(network_names()));
  check(options, architecture->volumes);
  auto network = architecture->make(options);
  if (options.initialised) initialise(*network, options.seed);
  return network;
}

bool predicts_quicker_than_script(const std::string& name) {
  const Architecture* architecture = find(name);
  return architecture != nullptr && architecture->quick;
}

void freeze(Network& network) {
  for (const auto& part : network.modules()) {
    if (auto* layer = part->as<Convolution>()) layer->freeze();
    if (auto* layer = part->as<DenseLayer>()) layer->freeze();
  }
}

bool calibrate_norms(Network& network, const torch::Tensor& images, bool pretrained) {
  const c10::AutoGradMode no_gradient(false);
  std::vector<FrozenNorm*> norms;
  for (const auto& part : network.named_modules("", false)) {
    auto* norm = part.value()->as<FrozenNorm>();
    if (norm != nullptr && !(pretrained && network.is_backbone(part.key() + ".weight"))) norms.push_back(norm);
  }
  if (norms.empty()) return false;
  for (FrozenNorm* norm : norms) norm->measure(true);
  network.forward(images, {});
  for (FrozenNorm* norm : norms) norm->measure(false);
  return true;
}

}  // namespace pulmo
