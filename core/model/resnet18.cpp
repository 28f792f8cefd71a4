#include <ATen/ops/max_pool2d.h>

#include <initializer_list>
#include <string_view>

#include "core/model/architectures.h"
#include "core/model/backbone.h"
#include "core/model/layers.h"

namespace pulmo {
namespace {

constexpr std::int64_t kStages = 4;
constexpr std::int64_t kMaps = 512;
constexpr std::int64_t kMinimumSize = 32;

ConvLayer::Options conv_options(std::int64_t padding, std::int64_t stride) {
  return {.padding = padding, .stride = stride, .bias = false};
}

/// Two 3x3 convolutions and a way around them; where the maps change, the way around is a 1x1 convolution.
class Block : public torch::nn::Module {
 public:
  Block(std::int64_t in, std::int64_t out, std::int64_t stride)
      : conv1_(register_module("conv1", std::make_shared<ConvLayer>(in, out, 3, conv_options(1, stride)))),
        norm1_(register_module("bn1", std::make_shared<FrozenNorm>(out))),
        conv2_(register_module("conv2", std::make_shared<ConvLayer>(out, out, 3, conv_options(1, 1)))),
        norm2_(register_module("bn2", std::make_shared<FrozenNorm>(out))) {
    if (stride == 1 && in == out) return;
    around_ = register_module("downsample_0", std::make_shared<ConvLayer>(in, out, 1, conv_options(0, stride)));
    norm_around_ = register_module("downsample_1", std::make_shared<FrozenNorm>(out));
  }

  torch::Tensor forward(const torch::Tensor& maps) const {
    const torch::Tensor around = around_ ? norm_around_->forward(around_->forward(maps)) : maps;
    const torch::Tensor x = norm1_->forward_relu(conv1_->forward(maps));
    return norm2_->forward_add_relu(conv2_->forward(x), around);
  }

 private:
  std::shared_ptr<ConvLayer> conv1_;
  std::shared_ptr<FrozenNorm> norm1_;
  std::shared_ptr<ConvLayer> conv2_;
  std::shared_ptr<FrozenNorm> norm2_;
  std::shared_ptr<ConvLayer> around_;
  std::shared_ptr<FrozenNorm> norm_around_;
};

/// The parts, one after the other.
std::string text_of(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text.append(part);
  return text;
}

std::string script_of_conv(const std::string& name, std::string_view input, std::int64_t padding, std::int64_t stride) {
  const auto pair = [](std::int64_t n) { return text_of({"[", std::to_string(n), ", ", std::to_string(n), "]"}); };
  return text_of({"torch.conv2d(", input, ", self.", name, ".weight, None, ", pair(stride), ", ", pair(padding), ")"});
}

std::string script_of_block(const std::string& name, std::int64_t stride, bool around) {
  const auto part = [&name](std::string_view suffix) { return text_of({name, suffix}); };
  std::string text = text_of({"\n    y = ", script_of_conv(part(".conv1"), "x", 1, stride)});
  text += text_of({"\n    y = torch.relu(", FrozenNorm::script(part(".bn1"), "y"), ")"});
  text += text_of({"\n    y = ", FrozenNorm::script(part(".bn2"), script_of_conv(part(".conv2"), "y", 1, 1))});
  if (around) {
    const std::string conv = script_of_conv(part(".downsample_0"), "x", 0, stride);
    text += text_of({"\n    x = ", FrozenNorm::script(part(".downsample_1"), conv)});
  }
  return text + "\n    x = torch.relu(x + y)";
}

/// ResNet-18 (He, Zhang, Ren, Sun 2016) up to its last maps, their means over the picture, dropout, one dense layer.
class ResNet18 final : public BackboneNetwork {
 public:
  explicit ResNet18(const NetworkOptions& options)
      : BackboneNetwork(options),
        conv1_(register_module("conv1", std::make_shared<ConvLayer>(3, 64, 7, conv_options(3, 2)))),
        norm1_(register_module("bn1", std::make_shared<FrozenNorm>(64))) {
    std::int64_t in = 64;
    for (std::int64_t stage = 1; stage <= kStages; ++stage) {
      for (std::int64_t block = 0; block < 2; ++block) {
        const std::int64_t out = 32 << stage;
        blocks_.push_back(
            register_module(name_of(stage, block), std::make_shared<Block>(in, out, stride_of(stage, block))));
        in = out;
      }
    }
    add_classifier(kMaps, options);
  }

  torch::Tensor forward(const torch::Tensor& images, SampleSeeds dropout_seeds) override {
    torch::Tensor x = norm1_->forward_relu(conv1_->forward(normalised(images)));
    x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
    for (const auto& block : blocks_) x = block->forward(x);
    return classified(x, dropout_seeds);
  }

  std::string script() const override {
    std::string text = script_of_input();
    text += text_of({"\n    x = torch.relu(", FrozenNorm::script("bn1", script_of_conv("conv1", "x", 3, 2)), ")"});
    text += "\n    x = torch.max_pool2d(x, [3, 3], [2, 2], [1, 1])";
    for (std::int64_t stage = 1; stage <= kStages; ++stage) {
      for (std::int64_t block = 0; block < 2; ++block) {
        const bool around = stage > 1 && block == 0;
        text += script_of_block(name_of(stage, block), stride_of(stage, block), around);
      }
    }
    return text + script_of_classifier();
  }

 private:
  static std::string name_of(std::int64_t stage, std::int64_t block) {
    return text_of({"layer", std::to_string(stage), "_", std::to_string(block)});
  }
  static std::int64_t stride_of(std::int64_t stage, std::int64_t block) { return stage > 1 && block == 0 ? 2 : 1; }

  std::shared_ptr<ConvLayer> conv1_;
  std::shared_ptr<FrozenNorm> norm1_;
  std::vector<std::shared_ptr<Block>> blocks_;
};

}  // namespace

std::shared_ptr<Network> make_resnet18(const NetworkOptions& options) {
  require_size(options, kMinimumSize);
  return std::make_shared<ResNet18>(options);
}

}  // namespace pulmo
