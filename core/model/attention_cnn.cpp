#include <ATen/ops/amax.h>
#include <ATen/ops/cat.h>

#include "core/model/architectures.h"
#include "core/model/dropout.h"
#include "core/model/layers.h"

namespace pulmo {
namespace {

constexpr std::int64_t kMaps[] = {32, 64, 128};
constexpr std::int64_t kShrink = 8;     // three 2x2 poolings
constexpr std::int64_t kReduction = 8;  // of the channels, between the two layers of their attention
constexpr std::int64_t kWindow = 7;     // of the spatial attention
constexpr std::int64_t kHidden1 = 128;
constexpr std::int64_t kHidden2 = 64;

/// What attention multiplies by, from (N,*) of any shape: in (0, 2), and about 1 at the start. The paper's sigmoid
/// alone would start at 1/2, twice in a stage, and leave 1/64 of the values after three, which only its batch
/// normalisation makes good. The factor 2 changes the start alone: the weights of the next layer could take it in.
torch::Tensor gate(const torch::Tensor& values) {
  return values.sigmoid() * 2.0;
}

/// One factor for each channel: a perceptron of two layers, the same on the channels' means and on their maxima.
class ChannelAttention : public torch::nn::Module {
 public:
  explicit ChannelAttention(std::int64_t maps)
      : reduce_(register_module("reduce", std::make_shared<ConvLayer>(maps, maps / kReduction, 1, kNoBias))),
        expand_(register_module("expand", std::make_shared<ConvLayer>(maps / kReduction, maps, 1, kNoBias))) {}

  /// (N,C,H,W) to the same.
  torch::Tensor forward(const torch::Tensor& maps) const {
    return maps * gate(perceptron(maps.mean({2, 3}, true)) + perceptron(at::amax(maps, {2, 3}, true)));
  }

 private:
  static constexpr ConvLayer::Options kNoBias{.bias = false};

  /// (N,C,1,1) to the same.
  torch::Tensor perceptron(const torch::Tensor& x) const { return expand_->forward(reduce_->forward(x).relu_()); }

  std::shared_ptr<ConvLayer> reduce_, expand_;
};

/// One factor for each place: a convolution of the channels' mean and maximum there.
class SpatialAttention : public torch::nn::Module {
 public:
  SpatialAttention()
      : conv_(register_module(
            "conv", std::make_shared<ConvLayer>(2, 1, kWindow, ConvLayer::Options{.padding = 3, .bias = false}))) {}

  /// (N,C,H,W) to the same.
  torch::Tensor forward(const torch::Tensor& maps) const {
    return maps * gate(conv_->forward(at::cat({maps.mean({1}, true), at::amax(maps, {1}, true)}, 1)));
  }

 private:
  std::shared_ptr<ConvLayer> conv_;
};

/// A convolutional block attention module (CBAM: Woo, Park, Lee, Kweon 2018): channels first, then places.
class Attention : public torch::nn::Module {
 public:
  explicit Attention(std::int64_t maps)
      : channel_(register_module("channel", std::make_shared<ChannelAttention>(maps))),
        spatial_(register_module("spatial", std::make_shared<SpatialAttention>())) {}

  /// (N,C,H,W) to the same.
  torch::Tensor forward(const torch::Tensor& maps) const { return spatial_->forward(channel_->forward(maps)); }

 private:
  std::shared_ptr<ChannelAttention> channel_;
  std::shared_ptr<SpatialAttention> spatial_;
};

std::string script_of_stage(const std::string& number) {
  const std::string conv = "self.conv" + number;
  const std::string attention = "self.attention" + number;
  const auto perceptron = [&attention](const std::string& pooled) {
    return "torch.conv2d(torch.relu(torch.conv2d(" + pooled + ", " + attention + ".channel.reduce.weight)), " +
           attention + ".channel.expand.weight)";
  };
  return "\n    x = torch.conv2d(x, " + conv + ".weight, " + conv + ".bias, [1, 1], [1, 1])" +
         "\n    x = torch.relu(torch.max_pool2d(x, [2, 2]))" +
         "\n    y = " + perceptron("torch.mean(x, [2, 3], True)") + " + " + perceptron("torch.amax(x, [2, 3], True)") +
         "\n    x = x * (torch.sigmoid(y) * 2.0)" +
         "\n    y = torch.cat([torch.mean(x, [1], True), torch.amax(x, [1], True)], 1)" + "\n    y = torch.conv2d(y, " +
         attention + ".spatial.conv.weight, None, [1, 1], [3, 3])" + "\n    x = x * (torch.sigmoid(y) * 2.0)";
}

/// The proposed CNN with attention to channels and places after each of its three stages, and nothing else changed: the
/// paired test against it says what attention is worth.
class AttentionCnn final : public Network {
 public:
  explicit AttentionCnn(const NetworkOptions& options) : dropout_(options.dropout) {
    std::int64_t in = options.channels;
    for (const std::int64_t maps : kMaps) {
      const std::string number = std::to_string(convs_.size() + 1);
      convs_.push_back(
          register_module("conv" + number, std::make_shared<ConvLayer>(in, maps, 3, ConvLayer::Options{.padding = 1})));
      attentions_.push_back(register_module("attention" + number, std::make_shared<Attention>(maps)));
      in = maps;
    }
    const std::int64_t side = options.size_px / kShrink;
    dense1_ = register_module("dense1", std::make_shared<DenseLayer>(in * side * side, kHidden1));
    dense2_ = register_module("dense2", std::make_shared<DenseLayer>(kHidden1, kHidden2));
    dense3_ = register_module("dense3", std::make_shared<DenseLayer>(kHidden2, options.classes));
  }

  torch::Tensor forward(const torch::Tensor& images, SampleSeeds dropout_seeds) override {
    torch::Tensor x = to_channels_last(images);
    for (std::size_t i = 0; i < convs_.size(); ++i) x = attentions_[i]->forward(convs_[i]->forward_pool_relu(x));
    x = dropout(dense1_->forward_maps(x).relu_(), dropout_seeds, 1, dropout_);
    x = dropout(dense2_->forward(x).relu_(), dropout_seeds, 2, dropout_);
    return dense3_->forward(x);
  }

  std::string script() const override {
    return "\ndef forward(self, images: Tensor) -> Tensor:\n    x = images" + script_of_stage("1") +
           script_of_stage("2") + script_of_stage("3") + R"(
    x = torch.flatten(x, 1)
    x = torch.relu(torch.linear(x, self.dense1.weight, self.dense1.bias))
    x = torch.relu(torch.linear(x, self.dense2.weight, self.dense2.bias))
    return torch.linear(x, self.dense3.weight, self.dense3.bias)
)";
  }

 private:
  std::vector<std::shared_ptr<ConvLayer>> convs_;
  std::vector<std::shared_ptr<Attention>> attentions_;
  std::shared_ptr<DenseLayer> dense1_, dense2_, dense3_;
  double dropout_;
};

}  // namespace

std::shared_ptr<Network> make_attention_cnn(const NetworkOptions& options) {
  require_size(options, kShrink);
  return std::make_shared<AttentionCnn>(options);
}

}  // namespace pulmo
