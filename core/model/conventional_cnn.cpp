#include "core/model/architectures.h"
#include "core/model/dropout.h"
#include "core/model/layers.h"

namespace pulmo {
namespace {

constexpr std::int64_t kMaps = 16;  // of the last convolution
constexpr std::int64_t kMinimumSize = 16;
constexpr std::int64_t kHidden1 = 120;
constexpr std::int64_t kHidden2 = 84;

constexpr const char* kScript = R"(
def forward(self, images: Tensor) -> Tensor:
    x = torch.conv2d(images, self.conv1.weight, self.conv1.bias)
    x = torch.relu(torch.max_pool2d(x, [2, 2]))
    x = torch.conv2d(x, self.conv2.weight, self.conv2.bias)
    x = torch.relu(torch.max_pool2d(x, [2, 2]))
    x = torch.flatten(x, 1)
    x = torch.relu(torch.linear(x, self.dense1.weight, self.dense1.bias))
    x = torch.relu(torch.linear(x, self.dense2.weight, self.dense2.bias))
    return torch.linear(x, self.dense3.weight, self.dense3.bias)
)";

/// The shape of LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998): 5x5 convolutions of 6 and 16 maps without padding, each
/// with 2x2 pooling; dense 120 and 84; K logits. ReLU and max-pool take the place of its sigmoids and subsampling, and
/// dropout follows the dense layers as in the other networks (rate 0 gives the original).
class ConventionalCnn final : public Network {
 public:
  explicit ConventionalCnn(const NetworkOptions& options)
      : conv1_(register_module("conv1", std::make_shared<ConvLayer>(options.channels, 6, 5, ConvLayer::Options{}))),
        conv2_(register_module("conv2", std::make_shared<ConvLayer>(6, kMaps, 5, ConvLayer::Options{}))),
        dense1_(register_module("dense1", std::make_shared<DenseLayer>(flat_size(options.size_px), kHidden1))),
        dense2_(register_module("dense2", std::make_shared<DenseLayer>(kHidden1, kHidden2))),
        dense3_(register_module("dense3", std::make_shared<DenseLayer>(kHidden2, options.classes))),
        dropout_(options.dropout) {}

  torch::Tensor forward(const torch::Tensor& images, SampleSeeds dropout_seeds) override {
    torch::Tensor x = conv1_->forward_pool_relu(to_channels_last(images));
    x = conv2_->forward_pool_relu(x);
    x = dropout(dense1_->forward_maps(x).relu_(), dropout_seeds, 1, dropout_);
    x = dropout(dense2_->forward(x).relu_(), dropout_seeds, 2, dropout_);
    return dense3_->forward(x);
  }

  std::string script() const override { return kScript; }

 private:
  static std::int64_t flat_size(std::int64_t size_px) {
    const std::int64_t side = ((size_px - 4) / 2 - 4) / 2;
    return kMaps * side * side;
  }

  std::shared_ptr<ConvLayer> conv1_, conv2_;
  std::shared_ptr<DenseLayer> dense1_, dense2_, dense3_;
  double dropout_;
};

}  // namespace

std::shared_ptr<Network> make_conventional_cnn(const NetworkOptions& options) {
  require_size(options, kMinimumSize);
  return std::make_shared<ConventionalCnn>(options);
}

}  // namespace pulmo
