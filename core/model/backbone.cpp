#include "core/model/backbone.h"

#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "core/model/dropout.h"
#include "core/model/weights_formats.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

constexpr std::int64_t kColours = 3;

/// x * scale + shift, by channel.
struct Normalisation {
  std::array<double, kColours> scale{};
  std::array<double, kColours> shift{};
};

// Of torchvision's ImageNet models: https://pytorch.org/vision/stable/models.html, images in [0, 1], RGB.
Normalisation torchvision_normalisation() {
  constexpr std::array<double, kColours> kMean = {0.485, 0.456, 0.406};
  constexpr std::array<double, kColours> kDeviation = {0.229, 0.224, 0.225};
  Normalisation result;
  for (std::size_t c = 0; c < kColours; ++c) {
    result.scale[c] = 1.0 / kDeviation[c];
    result.shift[c] = -kMean[c] / kDeviation[c];
  }
  return result;
}

// The order of the colours does not matter to grey pictures; the means are in the order of the channels.
Normalisation noted_normalisation(const std::string& note, const std::string& file) {
  std::array<char, 4> order{};
  std::array<double, kColours> means{};
  int end = 0;
  const int read = std::sscanf(note.c_str(), "%3[BGR], 0..255 minus (%lf, %lf, %lf)%n", order.data(), &means[0],
                               &means[1], &means[2], &end);
  const std::string colours(order.data());
  if (read != 4 || static_cast<std::size_t>(end) != note.size() || (colours != "BGR" && colours != "RGB")) {
    refuse_weights(file, "its input note \"" + note + "\" is not understood; known is \"BGR, 0..255 minus (B, G, R)\"");
  }
  Normalisation result;
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

std::string shape_text(const torch::Tensor& tensor) {
  std::string text;
  for (const std::int64_t side : tensor.sizes()) text += (text.empty() ? "" : " x ") + std::to_string(side);
  return text.empty() ? "one number" : text;
}

/// What the DenseNet files that torchvision publishes call it: they are older than its rule of no dots within a name.
/// "denselayer1.norm1.weight" is denselayer1.norm.1.weight; other names are returned as they are.
std::string published_name(std::string name) {
  const std::size_t layer = name.find(".denselayer");
  if (layer == std::string::npos) return name;
  const std::size_t number = name.find_first_of("12", name.find('.', layer + 1));
  return name.insert(number, ".");
}

void copy_tensor(torch::Tensor& to, const Weights& weights, const std::string& name, const std::string& file) {
  auto found = weights.tensors.find(name);
  if (found == weights.tensors.end()) found = weights.tensors.find(published_name(name));
  if (found == weights.tensors.end()) {
    refuse_weights(file, "it has no tensor " + name + "; is it a file of this network with torchvision's names?");
  }
  const torch::Tensor& from = found->second;
  if (from.sizes() != to.sizes()) {
    refuse_weights(file, "tensor " + name + " is " + shape_text(from) + ", the network needs " + shape_text(to));
  }
  to.copy_(from);
}

}  // namespace

struct BackboneNetwork::Input : torch::nn::Module {
  Input()
      : scale(register_parameter("scale", as_tensor(torchvision_normalisation().scale), false)),
        shift(register_parameter("shift", as_tensor(torchvision_normalisation().shift), false)) {}
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
  const auto note = weights.notes.find("input");
  const Normalisation input =
      note == weights.notes.end() ? torchvision_normalisation() : noted_normalisation(note->second, file.string());
  const c10::AutoGradMode no_gradient(false);
  for (auto& parameter : network.named_parameters()) {
    const std::string& name = parameter.key();
    torch::Tensor& tensor = parameter.value();
    if (name == "input.scale" || name == "input.shift") {
      tensor.copy_(as_tensor(name == "input.scale" ? input.scale : input.shift));
    } else if (network.is_backbone(name)) {
      copy_tensor(tensor, weights, torchvision_name(name), file.string());
    }
  }
}

}  // namespace pulmo
