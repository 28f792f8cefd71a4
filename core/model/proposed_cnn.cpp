#include "core/model/architectures.h"
#include "core/model/dropout.h"
#include "core/model/layers.h"

namespace pulmo {
namespace {

constexpr std::int64_t kMaps = 128;  // of the last convolution
constexpr std::int64_t kShrink = 8;  // three 2x2 poolings
constexpr std::int64_t kHidden1 = 128;
constexpr std::int64_t kHidden2 = 64;

constexpr const char* kScript = R"(
def forward(self, images: Tensor) -> Tensor:
    x = torch.conv2d(images, self.conv1.weight, self.conv1.bias, [1, 1], [1, 1])
    x = torch.relu(torch.max_pool2d(x, [2, 2]))
    x = torch.conv2d(x, self.conv2.weight, self.conv2.bias, [1, 1], [1, 1])
    x = torch.relu(torch.max_pool2d(x, [2, 2]))
    x = torch.conv2d(x, self.conv3.weight, self.conv3.bias, [1, 1], [1, 1])
    x = torch.relu(torch.max_pool2d(x, [2, 2]))
    x = torch.flatten(x, 1)
    x = torch.relu(torch.linear(x, self.dense1.weight, self.dense1.bias))
    x = torch.relu(torch.linear(x, self.dense2.weight, self.dense2.bias))
    return torch.linear(x, self.dense3.weight, self.dense3.bias)
)";

/// The paper's table 1: three 3x3 convolutions of 32, 64 and 128 maps, each with ReLU and 2x2 max-pool; dense 128 and
/// 64 with ReLU and dropout; K logits. 12.9 million parameters at 224 px and K = 2.
class ProposedCnn final : public Network {
 public:
  explicit ProposedCnn(const NetworkOptions& options)
      : conv1_(register_module("conv1",
                               std::make_shared<ConvLayer>(options.channels, 32, 3, ConvLayer::Options{.padding = 1}))),
        conv2_(register_module("conv2", std::make_shared<ConvLayer>(32, 64, 3, ConvLayer::Options{.padding = 1}))),
        conv3_(register_module("conv3", std::make_shared<ConvLayer>(64, kMaps, 3, ConvLayer::Options{.padding = 1}))),
        dense1_(register_module("dense1", std::make_shared<DenseLayer>(flat_size(options.size_px), kHidden1))),
        dense2_(register_module("dense2", std::make_shared<DenseLayer>(kHidden1, kHidden2))),
        dense3_(register_module("dense3", std::make_shared<DenseLayer>(kHidden2, options.classes))),
        dropout_(options.dropout) {}

  torch::Tensor forward(const torch::Tensor& images, SampleSeeds dropout_seeds) override {
    torch::Tensor x = conv1_->forward_pool_relu(to_channels_last(images));
    x = conv2_->forward_pool_relu(x);
    x = conv3_->forward_pool_relu(x);
    x = dropout(dense1_->forward_maps(x).relu_(), dropout_seeds, 1, dropout_);
    x = dropout(dense2_->forward(x).relu_(), dropout_seeds, 2, dropout_);
    return dense3_->forward(x);
  }

  std::string script() const override { return kScript; }

 private:
  static std::int64_t flat_size(std::int64_t size_px) { return kMaps * (size_px / kShrink) * (size_px / kShrink); }

  std::shared_ptr<ConvLayer> conv1_, conv2_, conv3_;
  std::shared_ptr<DenseLayer> dense1_, dense2_, dense3_;
  double dropout_;
};

}  // namespace

std::shared_ptr<Network> make_proposed_cnn(const NetworkOptions& options) {
  require_size(options, kShrink);
  return std::make_shared<ProposedCnn>(options);
}

}  // namespace pulmo
