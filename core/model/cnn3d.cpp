#include <ATen/ops/cat.h>
#include <ATen/ops/max_pool2d.h>

#include <array>

#include "core/model/architectures.h"
#include "core/model/dropout.h"
#include "core/model/layers.h"

namespace pulmo {
namespace {

constexpr std::array<std::int64_t, 3> kMaps = {16, 32, 64};
constexpr std::int64_t kHidden = 64;
constexpr std::int64_t kShrink = 8;  // three poolings of rows and columns

/// 3x3x3, of padding 1.
std::shared_ptr<Convolution> make_convolution(std::int64_t in, std::int64_t out) {
  return std::make_shared<Convolution>(
      Convolution::Shape{.weight = {out, in, 3, 3, 3}, .stride = {1, 1, 1}, .padding = {1, 1, 1}});
}

/// Max-pooling of 2x2 pixels, and of 2 slices where `deep`. LibTorch pools three dimensions of bf16 on cards only.
torch::Tensor pooled(const torch::Tensor& volumes, bool deep) {
  torch::Tensor x = volumes.transpose(1, 2);  // of channels-last volumes the slices are channels-last images
  x = at::max_pool2d(x.flatten(0, 1), {2, 2}).unflatten(0, {x.size(0), x.size(1)}).transpose(1, 2);
  if (!deep) return x;
  return x.narrow(2, 0, x.size(2) / 2 * 2).unflatten(2, {-1, 2}).amax(3);
}

/// The proposed CNN's idea in three dimensions: three 3x3x3 convolutions of 16, 32 and 64 maps, each with max-pooling
/// and ReLU; mean and maximum of each last map over the volume, so that any depth has the same parameters; dense 64
/// with ReLU and dropout; K logits. Slices are pooled once they are no further apart than pixels have become: where the
/// volume is at least as deep as half its side.
class Cnn3d final : public Network {
 public:
  explicit Cnn3d(const NetworkOptions& options) : dropout_(options.dropout) {
    std::int64_t in = options.channels;
    std::int64_t depth = options.depth;
    std::int64_t side = options.size_px;
    for (std::size_t i = 0; i < kMaps.size(); ++i) {
      convs_[i] = register_module("conv" + std::to_string(i + 1), make_convolution(in, kMaps[i]));
      deep_[i] = depth > 1 && 2 * depth >= side;
      depth = deep_[i] ? depth / 2 : depth;
      side /= 2;
      in = kMaps[i];
    }
    dense1_ = register_module("dense1", std::make_shared<DenseLayer>(2 * in, kHidden));
    dense2_ = register_module("dense2", std::make_shared<DenseLayer>(kHidden, options.classes));
  }

  torch::Tensor forward(const torch::Tensor& volumes, SampleSeeds dropout_seeds) override {
    torch::Tensor x = volumes;
    for (std::size_t i = 0; i < kMaps.size(); ++i) x = pooled(convs_[i]->forward(x), deep_[i]).relu();
    x = dense1_->forward(at::cat({x.mean({2, 3, 4}), x.amax({2, 3, 4})}, 1)).relu_();
    return dense2_->forward(dropout(x, dropout_seeds, 1, dropout_));
  }

  std::string script() const override {
    std::string text = "\ndef forward(self, volumes: Tensor) -> Tensor:\n    x = volumes";
    for (std::size_t i = 0; i < kMaps.size(); ++i) {
      const std::string conv = "self.conv" + std::to_string(i + 1);
      text += "\n    x = torch.conv3d(x, " + conv + ".weight, " + conv + ".bias, [1, 1, 1], [1, 1, 1])";
      text += std::string("\n    x = torch.relu(torch.max_pool3d(x, [") + (deep_[i] ? "2" : "1") + ", 2, 2]))";
    }
    return text + R"(
    x = torch.cat([torch.mean(x, [2, 3, 4]), torch.amax(x, [2, 3, 4])], 1)
    x = torch.relu(torch.linear(x, self.dense1.weight, self.dense1.bias))
    return torch.linear(x, self.dense2.weight, self.dense2.bias)
)";
  }

 private:
  std::array<std::shared_ptr<Convolution>, 3> convs_;
  std::array<bool, 3> deep_{};  ///< whether slices are pooled after this convolution
  std::shared_ptr<DenseLayer> dense1_, dense2_;
  double dropout_;
};

}  // namespace

std::shared_ptr<Network> make_cnn3d(const NetworkOptions& options) {
  require_size(options, kShrink);
  return std::make_shared<Cnn3d>(options);
}

}  // namespace pulmo
