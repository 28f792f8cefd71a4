#pragma once

#include <array>
#include <filesystem>
#include <string>

#include "core/model/layers.h"
#include "core/model/network.h"
#include "core/model/weights.h"

namespace pulmo {

/// What a backbone was trained on: x * scale + shift of images in [0, 1], by channel.
struct InputNormalisation {
  std::array<double, 3> scale{};
  std::array<double, 3> shift{};

  static InputNormalisation of(const std::array<double, 3>& means, const std::array<double, 3>& deviations);
  static InputNormalisation imagenet();  ///< torchvision's
};

/// torchvision's name of a parameter of a BackboneNetwork.
std::string torchvision_name(const std::string& parameter);

/// How a backbone's weights lie in a file.
struct WeightLayout {
  InputNormalisation input = InputNormalisation::imagenet();  ///< unless the file notes its own
  std::string (*name_of)(const std::string& parameter) = torchvision_name;
  bool flat = false;  ///< its kernels are of images, those of the network of volumes: they are inflated
};

/// The base of the rows that begin with a pretrained network. Its parameters are named as torchvision names them, but
/// that a number is joined to what is before it ("features.3.squeeze" is features_3.squeeze), for TorchScript's sake;
/// all but those of "classifier" are pretrained. A slice has one channel: it is given to the backbone three times.
class BackboneNetwork : public Network {
 public:
  bool is_backbone(const std::string& parameter) const override;
  /// ImageNet's normalisation and torchvision's names, unless the row knows files of other kinds.
  virtual WeightLayout layout_of(const Weights& file) const;

 protected:
  /// Registers input.scale and input.shift (3), which load_backbone() sets. Throws InvalidInput("configuration") unless
  /// there are 1 or 3 channels.
  explicit BackboneNetwork(const NetworkOptions& options);

  /// (N,1,H,W) or (N,3,H,W) in [0, 1] to what the backbone was trained on: three channels, scaled and shifted.
  torch::Tensor normalised(const torch::Tensor& images) const;
  /// The same as the head and first lines of a TorchScript forward(), assigning x.
  static std::string script_of_input();
  /// Without the head: the lines that make x of `images`.
  static std::string script_of_normalisation();

  /// Registers the classifier on `maps` maps: last, as backward comes to it first.
  void add_classifier(std::int64_t maps, const NetworkOptions& options);
  /// The last maps (N, maps, H, W) to logits (N,K): their means over the picture, dropout, one dense layer.
  torch::Tensor classified(const torch::Tensor& maps, SampleSeeds dropout_seeds) const;
  /// The features (N, maps) to logits (N,K): dropout, one dense layer.
  torch::Tensor decided(const torch::Tensor& features, SampleSeeds dropout_seeds) const;
  /// The same as classified() as the last lines of a TorchScript forward(), of x.
  static std::string script_of_classifier();

 private:
  struct Input;
  std::shared_ptr<Input> input_;
  std::shared_ptr<DenseLayer> classifier_;
  double dropout_ = 0.0;
};

/// Whether the network has a pretrained part.
bool has_backbone(const Network& network);

/// Copies a file's tensors into the backbone, whatever their floating type, and sets the input normalisation that they
/// were trained with: what the file notes under "input" ("BGR, 0..255 minus (103.939, 116.779, 123.68)"), or that of
/// layout_of() without such a note. `network` is a BackboneNetwork. Tensors of the file that the backbone lacks (its
/// own classifier) are left. Throws InvalidInput("weights") naming the file, the tensor and both shapes; IoError.
void load_backbone(Network& network, const std::filesystem::path& file);

}  // namespace pulmo
