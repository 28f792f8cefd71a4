#include "core/model/squeezenet_backbone.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/max_pool2d.h>

namespace pulmo {
namespace {

struct FireShape {
  int index;  ///< in torchvision's "features"
  std::int64_t in, squeeze, expand;
};
constexpr FireShape kFires[] = {{3, 64, 16, 64},   {4, 128, 16, 64},   {6, 128, 32, 128},  {7, 256, 32, 128},
                                {9, 256, 48, 192}, {10, 384, 48, 192}, {11, 384, 64, 256}, {12, 512, 64, 256}};

// Max-pooling of 3x3 by 2, partial windows included, stands before these.
bool pooled_before(int index) {
  return index == 3 || index == 6 || index == 9;
}

std::string script_of_fire(int index) {
  const std::string fire = "self.features_" + std::to_string(index);
  const auto convolve = [&fire](const std::string& input, const std::string& name, const std::string& padding) {
    const std::string layer = fire + "." + name;
    return "torch.relu(torch.conv2d(" + input + ", " + layer + ".weight, " + layer + ".bias, [1, 1], " + padding + "))";
  };
  std::string text;
  if (pooled_before(index)) text += "\n    x = torch.max_pool2d(x, [3, 3], [2, 2], [0, 0], [1, 1], True)";
  text += "\n    x = " + convolve("x", "squeeze", "[0, 0]");
  text += "\n    x = torch.cat([" + convolve("x", "expand1x1", "[0, 0]") + ", " + convolve("x", "expand3x3", "[1, 1]") +
          "], 1)";
  return text;
}

}  // namespace

/// Squeeze to few maps, then expand by 1x1 and 3x3 convolutions side by side.
class SqueezeNetBackbone::Fire : public torch::nn::Module {
 public:
  Fire(std::int64_t in, std::int64_t squeeze, std::int64_t expand)
      : squeeze_(register_module("squeeze", std::make_shared<ConvLayer>(in, squeeze, 1, ConvLayer::Options{}))),
        expand1_(register_module("expand1x1", std::make_shared<ConvLayer>(squeeze, expand, 1, ConvLayer::Options{}))),
        expand3_(register_module("expand3x3",
                                 std::make_shared<ConvLayer>(squeeze, expand, 3, ConvLayer::Options{.padding = 1}))) {}

  torch::Tensor forward(const torch::Tensor& maps) const {
    const torch::Tensor x = squeeze_->forward(maps).relu_();
    return at::cat({expand1_->forward(x).relu_(), expand3_->forward(x).relu_()}, 1);
  }

 private:
  std::shared_ptr<ConvLayer> squeeze_, expand1_, expand3_;
};

SqueezeNetBackbone::SqueezeNetBackbone(const NetworkOptions& options)
    : BackboneNetwork(options),
      first_(register_module("features_0", std::make_shared<ConvLayer>(3, 64, 3, ConvLayer::Options{.stride = 2}))) {
  for (const FireShape& fire : kFires) {
    fires_.push_back(register_module("features_" + std::to_string(fire.index),
                                     std::make_shared<Fire>(fire.in, fire.squeeze, fire.expand)));
  }
}

torch::Tensor SqueezeNetBackbone::maps_of(const torch::Tensor& images) const {
  torch::Tensor x = first_->forward(normalised(images)).relu_();
  for (std::size_t i = 0; i < fires_.size(); ++i) {
    if (pooled_before(kFires[i].index)) x = at::max_pool2d(x, {3, 3}, {2, 2}, {0, 0}, {1, 1}, true);
    x = fires_[i]->forward(x);
  }
  return x;
}

std::string SqueezeNetBackbone::script_of_maps() {
  std::string text =
      "\n    x = torch.relu(torch.conv2d(x, self.features_0.weight, self.features_0.bias, [2, 2], [0, 0]))";
  for (const FireShape& fire : kFires) text += script_of_fire(fire.index);
  return text;
}

}  // namespace pulmo
