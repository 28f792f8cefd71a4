#include "core/model/backbone.h"

#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "core/model/dropout.h"
#include "core/model/shape_text.h"
#include "core/model/weights_formats.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

constexpr std::int64_t kColours = 3;

// The order of the colours does not matter to grey pictures; the means are in the order of the channels.
InputNormalisation noted_normalisation(const std::string& note, const std::string& file) {
  std::array<char, 4> order{};
  std::array<double, kColours> means{};
  int end = 0;
  const int read = std::sscanf(note.c_str(), "%3[BGR], 0..255 minus (%lf, %lf, %lf)%n", order.data(), &means[0],
                               &means[1], &means[2], &end);
  const std::string colours(order.data());
  if (read != 4 || static_cast<std::size_t>(end) != note.size() || (colours != "BGR" && colours != "RGB")) {
    refuse_weights(file, "its input note \"" + note + "\" is not understood; known is \"BGR, 0..255 minus (B, G, R)\"");
  }
  InputNormalisation result;
  for (std::size_t c = 0; c < kColours; ++c) {
    result.scale[c] = 255.0;
    result.shift[c] = -means[c];
  }
  return result;
}

torch::Tensor as_tensor(const std::array<double, kColours>& values) {
  torch::Tensor tensor = at::empty({kColours}, at::kFloat);
  std::copy(values.begin(), values.end(), tensor.data_ptr<float>());
  return tensor;
}

/// What the DenseNet files that torchvision publishes call it: they are older than its rule of no dots within a name.
/// "denselayer1.norm1.weight" is denselayer1.norm.1.weight; other names are returned as they are.
std::string published_name(std::string name) {
  const std::size_t layer = name.find(".denselayer");
  if (layer == std::string::npos) return name;
  const std::size_t number = name.find_first_of("12", name.find('.', layer + 1));
  return name.insert(number, ".");
}

/// A kernel of images as one of volumes that gives the same of a volume that is constant over depth (Carreira,
/// Zisserman 2017, section 2.2): repeated over the depth of `to` and divided by it. Other tensors are returned as they
/// are.
torch::Tensor inflated(const torch::Tensor& from, const torch::Tensor& to) {
  if (from.dim() != 4 || to.dim() != 5) return from;
  const std::int64_t depth = to.size(2);
  return (from.to(to.scalar_type()) / depth).unsqueeze(2).expand({-1, -1, depth, -1, -1});
}

void copy_tensor(torch::Tensor& to, const Weights& weights, const std::string& name, bool flat,
                 const std::string& file) {
  auto found = weights.tensors.find(name);
  if (found == weights.tensors.end()) found = weights.tensors.find(published_name(name));
  if (found == weights.tensors.end()) {
    refuse_weights(file, "it has no tensor " + name + "; is it a file of this network with torchvision's names?");
  }
  const torch::Tensor from = flat ? inflated(found->second, to) : found->second;
  if (from.sizes() != to.sizes()) {
    refuse_weights(file, "tensor " + name + " is " + shape_text(found->second.sizes()) + ", the network needs " +
                             shape_text(to.sizes()));
  }
  to.copy_(from);
}

}  // namespace

InputNormalisation InputNormalisation::of(const std::array<double, 3>& means, const std::array<double, 3>& deviations) {
  InputNormalisation result;
  for (std::size_t c = 0; c < kColours; ++c) {
    result.scale[c] = 1.0 / deviations[c];
    result.shift[c] = -means[c] / deviations[c];
  }
  return result;
}

// https://pytorch.org/vision/stable/models.html, images in [0, 1], RGB.
InputNormalisation InputNormalisation::imagenet() {
  return of({0.485, 0.456, 0.406}, {0.229, 0.224, 0.225});
}

struct BackboneNetwork::Input : torch::nn::Module {
  Input()
      : scale(register_parameter("scale", as_tensor(InputNormalisation::imagenet().scale), false)),
        shift(register_parameter("shift", as_tensor(InputNormalisation::imagenet().shift), false)) {}
  torch::Tensor scale, shift;
};

BackboneNetwork::BackboneNetwork(const NetworkOptions& options)
    : input_(register_module("input", std::make_shared<Input>())) {
  if (options.channels != 1 && options.channels != kColours) {
    throw InvalidInput("configuration", "network " + options.name + ": takes images of 1 or 3 channels, these have " +
                                            std::to_string(options.channels));
  }
}

bool BackboneNetwork::is_backbone(const std::string& parameter) const {
  return parameter.rfind("classifier.", 0) != 0;
}

WeightLayout BackboneNetwork::layout_of(const Weights& file) const {
  static_cast<void>(file);
  return {};
}

torch::Tensor BackboneNetwork::normalised(const torch::Tensor& images) const {
  const torch::Tensor colours = images.expand({-1, kColours, -1, -1}).contiguous(at::MemoryFormat::ChannelsLast);
  return colours * input_->scale.view({1, -1, 1, 1}) + input_->shift.view({1, -1, 1, 1});
}

std::string BackboneNetwork::script_of_input() {
  return "\ndef forward(self, images: Tensor) -> Tensor:" + script_of_normalisation();
}

std::string BackboneNetwork::script_of_normalisation() {
  return R"(
    x = images.expand([-1, 3, -1, -1])
    x = x * self.input.scale.view([1, -1, 1, 1]) + self.input.shift.view([1, -1, 1, 1]))";
}

void BackboneNetwork::add_classifier(std::int64_t maps, const NetworkOptions& options) {
  classifier_ = register_module("classifier", std::make_shared<DenseLayer>(maps, options.classes));
  dropout_ = options.dropout;
}

torch::Tensor BackboneNetwork::classified(const torch::Tensor& maps, SampleSeeds dropout_seeds) const {
  return decided(maps.mean({2, 3}), dropout_seeds);
}

torch::Tensor BackboneNetwork::decided(const torch::Tensor& features, SampleSeeds dropout_seeds) const {
  return classifier_->forward(dropout(features, dropout_seeds, 1, dropout_));
}

std::string BackboneNetwork::script_of_classifier() {
  return R"(
    x = torch.mean(x, [2, 3])
    return torch.linear(x, self.classifier.weight, self.classifier.bias)
)";
}

bool has_backbone(const Network& network) {
  const auto parameters = network.named_parameters();
  return std::any_of(parameters.begin(), parameters.end(),
                     [&](const auto& parameter) { return network.is_backbone(parameter.key()); });
}

std::string torchvision_name(const std::string& parameter) {
  std::string name = parameter;
  for (std::size_t at = name.find('_'); at != std::string::npos; at = name.find('_', at + 1)) {
    const std::size_t end = name.find_first_not_of("0123456789", at + 1);
    if (end != std::string::npos && end > at + 1 && name[end] == '.') name[at] = '.';
  }
  return name;
}

void load_backbone(Network& network, const std::filesystem::path& file) {
  const Weights weights = read_weights(file);
  const WeightLayout layout = dynamic_cast<const BackboneNetwork&>(network).layout_of(weights);
  const auto note = weights.notes.find("input");
  const InputNormalisation input =
      note == weights.notes.end() ? layout.input : noted_normalisation(note->second, file.string());
  const c10::AutoGradMode no_gradient(false);
  for (auto& parameter : network.named_parameters()) {
    const std::string& name = parameter.key();
    torch::Tensor& tensor = parameter.value();
    const auto own = weights.tensors.find(name);
    const bool of_input = name == "input.scale" || name == "input.shift";
    if (of_input && own != weights.tensors.end()) {  // a bundle's
      copy_tensor(tensor, weights, name, false, file.string());
    } else if (of_input) {
      tensor.copy_(as_tensor(name == "input.scale" ? input.scale : input.shift));
    } else if (network.is_backbone(name)) {
      copy_tensor(tensor, weights, layout.name_of(name), layout.flat, file.string());
    }
  }
}

}  // namespace pulmo
