#include "core/model/unet.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/upsample_bilinear2d.h>

namespace pulmo {
namespace {

constexpr std::int64_t kMaps[] = {16, 32, 64, 128};  // of the stages, from the picture's size down
constexpr std::size_t kLevels = std::size(kMaps);

std::string script_of_stage(const std::string& stage, const std::string& input) {
  std::string text;
  std::string from = input;
  for (const std::string number : {"1", "2"}) {
    text += "\n    y = torch.conv2d(" + from + ", self." + stage + ".conv" + number +
            ".weight, None, [1, 1], [1, 1])\n    y = torch.relu(" + FrozenNorm::script(stage + ".norm" + number, "y") +
            ")";
    from = "y";
  }
  return text;
}

}  // namespace

/// Two convolutions of 3x3, normalised and rectified: (N,in,H,W) to (N,out,H,W).
class UNetStage : public torch::nn::Module {
 public:
  UNetStage(std::int64_t in, std::int64_t out)
      : conv1_(register_module("conv1", std::make_shared<ConvLayer>(in, out, 3, kPadded))),
        norm1_(register_module("norm1", std::make_shared<FrozenNorm>(out))),
        conv2_(register_module("conv2", std::make_shared<ConvLayer>(out, out, 3, kPadded))),
        norm2_(register_module("norm2", std::make_shared<FrozenNorm>(out))) {}

  torch::Tensor forward(const torch::Tensor& maps) const {
    return norm2_->forward_relu(conv2_->forward(norm1_->forward_relu(conv1_->forward(maps))));
  }

 private:
  static constexpr ConvLayer::Options kPadded{.padding = 1, .bias = false};

  std::shared_ptr<ConvLayer> conv1_;
  std::shared_ptr<FrozenNorm> norm1_;
  std::shared_ptr<ConvLayer> conv2_;
  std::shared_ptr<FrozenNorm> norm2_;
};

UNet::UNet(std::int64_t channels) {
  for (std::size_t i = 0; i < kLevels; ++i) {
    down_.push_back(register_module("down" + std::to_string(i + 1),
                                    std::make_shared<UNetStage>(i == 0 ? channels : kMaps[i - 1], kMaps[i])));
  }
  for (std::size_t i = kLevels - 1; i > 0; --i) {
    up_.push_back(
        register_module("up" + std::to_string(i), std::make_shared<UNetStage>(kMaps[i] + kMaps[i - 1], kMaps[i - 1])));
  }
  last_ = register_module("last", std::make_shared<ConvLayer>(kMaps[0], 1, 1, ConvLayer::Options{}));
}

torch::Tensor UNet::forward(const torch::Tensor& images) const {
  std::vector<torch::Tensor> beside;
  torch::Tensor x = to_channels_last(images);
  for (const auto& stage : down_) {
    if (!beside.empty()) x = at::max_pool2d(x, {2, 2});
    x = stage->forward(x);
    beside.push_back(x);
  }
  for (std::size_t i = 0; i < up_.size(); ++i) {
    const torch::Tensor& skip = beside[kLevels - 2 - i];
    x = at::upsample_bilinear2d(x, skip.sizes().slice(2), false);
    x = up_[i]->forward(at::cat({skip, x}, 1));
  }
  return last_->forward(x);
}

std::string UNet::script(const std::string& name, const std::string& input) {
  std::string text = "\n    y = " + input;
  for (std::size_t i = 1; i <= kLevels; ++i) {
    const std::string number = std::to_string(i);
    if (i > 1) text += "\n    y = torch.max_pool2d(y, [2, 2])";
    text += script_of_stage(name + ".down" + number, "y") + "\n    skip" + number + " = y";
  }
  for (std::size_t i = kLevels - 1; i > 0; --i) {
    const std::string skip = "skip" + std::to_string(i);
    text += "\n    y = torch.upsample_bilinear2d(y, [" + skip + ".size(2), " + skip + ".size(3)], False)";
    text += "\n    y = torch.cat([" + skip + ", y], 1)" + script_of_stage(name + ".up" + std::to_string(i), "y");
  }
  return text + "\n    y = torch.conv2d(y, self." + name + ".last.weight, self." + name + ".last.bias)";
}

}  // namespace pulmo
