#include "core/model/densenet_features.h"

#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/max_pool2d.h>

namespace pulmo {
namespace {

constexpr std::int64_t kGrowth = 32;     // maps that each layer adds
constexpr std::int64_t kBottleneck = 4;  // times the growth: maps between a layer's two convolutions
constexpr std::int64_t kFirstMaps = 64;
constexpr std::int64_t kLayers[] = {6, 12, 24, 16};  // of the dense blocks

ConvLayer::Options padded(std::int64_t padding) {
  return {.padding = padding, .bias = false};
}

/// Normalisation, ReLU and 1x1 convolution; then the same with a 3x3 convolution to the few maps that are added.
class DenseBlockLayer : public torch::nn::Module {
 public:
  explicit DenseBlockLayer(std::int64_t in)
      : norm1_(register_module("norm1", std::make_shared<FrozenNorm>(in))),
        conv1_(register_module("conv1", std::make_shared<ConvLayer>(in, kBottleneck * kGrowth, 1, padded(0)))),
        norm2_(register_module("norm2", std::make_shared<FrozenNorm>(kBottleneck * kGrowth))),
        conv2_(register_module("conv2", std::make_shared<ConvLayer>(kBottleneck * kGrowth, kGrowth, 3, padded(1)))) {}

  /// Maps of C channels in all, (N,C1,H,W), (N,C2,H,W), ..., to (N, growth, H, W).
  torch::Tensor forward(at::TensorList maps) const {
    const torch::Tensor x = conv1_->forward(norm1_->forward_relu(maps));
    return conv2_->forward(norm2_->forward_relu(x));
  }

 private:
  std::shared_ptr<FrozenNorm> norm1_;
  std::shared_ptr<ConvLayer> conv1_;
  std::shared_ptr<FrozenNorm> norm2_;
  std::shared_ptr<ConvLayer> conv2_;
};

}  // namespace

/// Layers of which each sees the maps of all before it.
class DenseBlock : public torch::nn::Module {
 public:
  DenseBlock(std::int64_t in, std::int64_t layers) {
    for (std::int64_t i = 0; i < layers; ++i) {
      layers_.push_back(
          register_module("denselayer" + std::to_string(i + 1), std::make_shared<DenseBlockLayer>(in + i * kGrowth)));
    }
  }

  /// (N,C,H,W) to itself and what each layer adds, (N, growth, H, W). They are never laid side by side: what follows
  /// normalises them piece by piece.
  std::vector<torch::Tensor> forward(const torch::Tensor& maps) const {
    std::vector<torch::Tensor> pieces = {maps};
    for (const auto& layer : layers_) pieces.push_back(layer->forward(pieces));
    return pieces;
  }

 private:
  std::vector<std::shared_ptr<DenseBlockLayer>> layers_;
};

/// Between two blocks: half the maps, of half the sides.
class DenseTransition : public torch::nn::Module {
 public:
  explicit DenseTransition(std::int64_t in)
      : norm_(register_module("norm", std::make_shared<FrozenNorm>(in))),
        conv_(register_module("conv", std::make_shared<ConvLayer>(in, in / 2, 1, padded(0)))) {}

  /// Maps of C channels in all, in pieces, to (N, C/2, H/2, W/2).
  torch::Tensor forward(at::TensorList maps) const {
    return at::avg_pool2d(conv_->forward(norm_->forward_relu(maps)), {2, 2});
  }

 private:
  std::shared_ptr<FrozenNorm> norm_;
  std::shared_ptr<ConvLayer> conv_;
};

DenseNetFeatures::DenseNetFeatures()
    : conv0_(register_module(
          "conv0",
          std::make_shared<ConvLayer>(3, kFirstMaps, 7, ConvLayer::Options{.padding = 3, .stride = 2, .bias = false}))),
      norm0_(register_module("norm0", std::make_shared<FrozenNorm>(kFirstMaps))) {
  std::int64_t maps = kFirstMaps;
  for (const std::int64_t layers : kLayers) {
    if (!blocks_.empty()) {
      transitions_.push_back(
          register_module("transition" + std::to_string(blocks_.size()), std::make_shared<DenseTransition>(maps)));
      maps /= 2;
    }
    const std::string number = std::to_string(blocks_.size() + 1);
    blocks_.push_back(register_module("denseblock" + number, std::make_shared<DenseBlock>(maps, layers)));
    maps += layers * kGrowth;
  }
  norm5_ = register_module("norm5", std::make_shared<FrozenNorm>(maps));
}

torch::Tensor DenseNetFeatures::forward(const torch::Tensor& images) const {
  const torch::Tensor x = norm0_->forward_relu(conv0_->forward(images));
  std::vector<torch::Tensor> maps = {at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1})};
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    maps = blocks_[i]->forward(i == 0 ? maps[0] : transitions_[i - 1]->forward(maps));
  }
  return norm5_->forward_relu(maps);
}

namespace {

/// relu(normalisation) of the variable `input`, by the layer `name` of the features.
std::string script_of_norm(const std::string& name, const std::string& input) {
  return "torch.relu(" + FrozenNorm::script("features." + name, input) + ")";
}

std::string script_of_conv(const std::string& name, const std::string& input, const std::string& padding,
                           const std::string& stride = "1") {
  return "torch.conv2d(" + input + ", self.features." + name + ".weight, None, [" + stride + ", " + stride + "], [" +
         padding + ", " + padding + "])";
}

std::string script_of_block(const std::string& block, std::int64_t layers) {
  std::string text;
  for (std::int64_t i = 1; i <= layers; ++i) {
    const std::string layer = block + ".denselayer" + std::to_string(i);
    text += "\n    y = " + script_of_conv(layer + ".conv1", script_of_norm(layer + ".norm1", "x"), "0");
    text += "\n    y = " + script_of_conv(layer + ".conv2", script_of_norm(layer + ".norm2", "y"), "1");
    text += "\n    x = torch.cat([x, y], 1)";
  }
  return text;
}

std::string script_of_transition(const std::string& name) {
  return "\n    x = torch.avg_pool2d(" + script_of_conv(name + ".conv", script_of_norm(name + ".norm", "x"), "0") +
         ", [2, 2])";
}

}  // namespace

std::string DenseNetFeatures::script() {
  std::string text = "\n    x = " + script_of_conv("conv0", "x", "3", "2");
  text += "\n    x = torch.max_pool2d(" + script_of_norm("norm0", "x") + ", [3, 3], [2, 2], [1, 1])";
  for (std::size_t i = 0; i < std::size(kLayers); ++i) {
    if (i > 0) text += script_of_transition("transition" + std::to_string(i));
    text += script_of_block("denseblock" + std::to_string(i + 1), kLayers[i]);
  }
  return text + "\n    x = " + script_of_norm("norm5", "x");
}

}  // namespace pulmo
