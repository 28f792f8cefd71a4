#include <array>
#include <optional>
#include <utility>

#include "core/model/architectures.h"
#include "core/model/backbone.h"
#include "core/model/layers.h"

namespace pulmo {
namespace {

constexpr std::int64_t kStages = 4;
constexpr std::int64_t kMaps = 512;
constexpr std::int64_t kMinimumSize = 16;  // rows and columns are halved four times
constexpr const char* kStem = "stem";

using Sides = std::array<std::int64_t, 3>;  // of a kernel or step: slices, rows, columns

constexpr Sides cube(std::int64_t side) {
  return {side, side, side};
}

/// What torchvision.models.video's r3d_18 was trained on Kinetics-400 with: R3D_18_Weights, RGB in [0, 1].
InputNormalisation kinetics_normalisation() {
  return InputNormalisation::of({0.43216, 0.394666, 0.37645}, {0.22803, 0.22145, 0.216989});
}

/// What torchvision's 2D resnet18 calls it: there convolution and normalisation have names of their own.
std::string name_in_2d(const std::string& parameter) {
  static constexpr std::array<std::pair<const char*, const char*>, 6> kNames{{{"stem_0.", "conv1."},
                                                                              {"stem_1.", "bn1."},
                                                                              {"conv1_0.", "conv1."},
                                                                              {"conv1_1.", "bn1."},
                                                                              {"conv2_0.", "conv2."},
                                                                              {"conv2_1.", "bn2."}}};
  std::string name = parameter;
  for (const auto& [ours, theirs] : kNames) {
    const std::size_t at = name.find(ours);
    if (at != std::string::npos) return torchvision_name(name.replace(at, std::string(ours).size(), theirs));
  }
  return torchvision_name(name);
}

struct ConvShape {
  std::int64_t in, out;
  Sides kernel, step;
};

/// A 3D convolution without bias that keeps the sides, but for the step.
class VolumeConv : public Convolution {
 public:
  explicit VolumeConv(const ConvShape& shape)
      : Convolution({.weight = {shape.out, shape.in, shape.kernel[0], shape.kernel[1], shape.kernel[2]},
                     .stride = {shape.step.begin(), shape.step.end()},
                     .padding = {shape.kernel[0] / 2, shape.kernel[1] / 2, shape.kernel[2] / 2},
                     .bias = false}) {}

  /// `name` is that of this layer.
  std::string script(const std::string& name, const std::string& input) const {
    return "torch.conv3d(" + input + ", self." + name + ".weight, None, " + text_of(shape().stride) + ", " +
           text_of(shape().padding) + ")";
  }

 private:
  static std::string text_of(const std::vector<std::int64_t>& sides) {
    std::string text;
    for (const std::int64_t side : sides) text += (text.empty() ? "[" : ", ") + std::to_string(side);
    return text + "]";
  }
};

/// A convolution and its normalisation, registered with `owner` as NAME_0 and NAME_1: torchvision numbers them.
class NormedConv {
 public:
  NormedConv(torch::nn::Module& owner, const std::string& name, const ConvShape& shape)
      : name_(name),
        conv_(owner.register_module(name + "_0", std::make_shared<VolumeConv>(shape))),
        norm_(owner.register_module(name + "_1", std::make_shared<FrozenNorm>(shape.out))) {}

  torch::Tensor forward(const torch::Tensor& volumes) const { return norm_->forward(conv_->forward(volumes)); }
  torch::Tensor forward_relu(const torch::Tensor& volumes) const {
    return norm_->forward_relu(conv_->forward(volumes));
  }
  torch::Tensor forward_add_relu(const torch::Tensor& volumes, const torch::Tensor& added) const {
    return norm_->forward_add_relu(conv_->forward(volumes), added);
  }

  std::string script(const std::string& owner, const std::string& input) const {
    return FrozenNorm::script(owner + name_ + "_1", conv_->script(owner + name_ + "_0", input));
  }

 private:
  std::string name_;
  std::shared_ptr<VolumeConv> conv_;
  std::shared_ptr<FrozenNorm> norm_;
};

/// Two 3x3x3 convolutions and a way around them; where the maps change, the way around is a 1x1x1 convolution.
class VolumeBlock : public torch::nn::Module {
 public:
  VolumeBlock(std::int64_t in, std::int64_t out, std::int64_t step)
      : conv1_(*this, "conv1", {in, out, cube(3), cube(step)}), conv2_(*this, "conv2", {out, out, cube(3), cube(1)}) {
    if (step != 1 || in != out) around_.emplace(*this, "downsample", ConvShape{in, out, cube(1), cube(step)});
  }

  torch::Tensor forward(const torch::Tensor& maps) const {
    const torch::Tensor around = around_ ? around_->forward(maps) : maps;
    return conv2_.forward_add_relu(conv1_.forward_relu(maps), around);
  }

  /// The lines that make x of x.
  std::string script(const std::string& name) const {
    const std::string owner = name + ".";
    std::string text = "\n    y = torch.relu(" + conv1_.script(owner, "x") + ")";
    text += "\n    y = " + conv2_.script(owner, "y");
    if (around_) text += "\n    x = " + around_->script(owner, "x");
    return text + "\n    x = torch.relu(x + y)";
  }

 private:
  NormedConv conv1_, conv2_;
  std::optional<NormedConv> around_;
};

/// ResNet3D-18 (Tran, Wang, Torresani, Ray, LeCun, Paluri 2018: R3D) up to its last maps, their means over the volume,
/// dropout, one dense layer. A slice that is not there is black like any other that is 0.
class ResNet3d final : public BackboneNetwork {
 public:
  explicit ResNet3d(const NetworkOptions& options)
      : BackboneNetwork(options), stem_(*this, kStem, {3, 64, {3, 7, 7}, {1, 2, 2}}) {
    std::int64_t in = 64;
    for (std::int64_t stage = 1; stage <= kStages; ++stage) {
      for (std::int64_t block = 0; block < 2; ++block) {
        const std::int64_t out = 32 << stage;
        const std::int64_t step = stage > 1 && block == 0 ? 2 : 1;
        names_.push_back("layer" + std::to_string(stage) + "_" + std::to_string(block));
        blocks_.push_back(register_module(names_.back(), std::make_shared<VolumeBlock>(in, out, step)));
        in = out;
      }
    }
    add_classifier(kMaps, options);
  }

  /// The slices' rows one below the other are an image: so it is normalised, and comes channels-last.
  torch::Tensor forward(const torch::Tensor& volumes, SampleSeeds dropout_seeds) override {
    torch::Tensor x = normalised(volumes.flatten(2, 3)).unflatten(2, {volumes.size(2), volumes.size(3)});
    x = stem_.forward_relu(x);
    for (const auto& block : blocks_) x = block->forward(x);
    return classified(x.flatten(2, 3), dropout_seeds);
  }

  std::string script() const override {
    std::string text = "\ndef forward(self, volumes: Tensor) -> Tensor:\n    images = torch.flatten(volumes, 2, 3)";
    text += script_of_normalisation();
    text += "\n    x = torch.reshape(x, [volumes.size(0), 3, volumes.size(2), volumes.size(3), volumes.size(4)])";
    text += "\n    x = torch.relu(" + stem_.script("", "x") + ")";
    for (std::size_t i = 0; i < blocks_.size(); ++i) text += blocks_[i]->script(names_[i]);
    return text + "\n    x = torch.flatten(x, 2, 3)" + script_of_classifier();
  }

  /// A file of the 2D network (ImageNet) is told by the name of its first convolution.
  WeightLayout layout_of(const Weights& file) const override {
    const bool flat = file.tensors.count("conv1.weight") > 0;
    return flat ? WeightLayout{.name_of = name_in_2d, .flat = true} : WeightLayout{.input = kinetics_normalisation()};
  }

 private:
  NormedConv stem_;
  std::vector<std::string> names_;
  std::vector<std::shared_ptr<VolumeBlock>> blocks_;
};

}  // namespace

std::shared_ptr<Network> make_resnet3d(const NetworkOptions& options) {
  require_size(options, kMinimumSize);
  return std::make_shared<ResNet3d>(options);
}

}  // namespace pulmo
