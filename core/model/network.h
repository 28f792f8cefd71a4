#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace pulmo {

/// One seed per sample of the batch. Dropout masks are a pure function of (seed, layer, unit), so they do not depend
/// on how the batch is cut among ranks. Empty: no dropout (evaluation).
using SampleSeeds = std::span<const std::uint64_t>;

/// What a network gives of N images.
struct NetworkOutput {
  torch::Tensor logits;          ///< (N,K), before any softmax
  torch::Tensor outline_logits;  ///< (N,1,H,W) of each pixel's belonging to a nodule; undefined where it outlines none
};

/// An architecture of the comparison table. Parameters are named as its TorchScript twin names them.
class Network : public torch::nn::Module {
 public:
  /// `images` (N,C,H,W), for a network that takes volumes (N,C,D,H,W), floating in [0, 1]; returns logits (N,K) in the
  /// same type, before any softmax.
  virtual torch::Tensor forward(const torch::Tensor& images, SampleSeeds dropout_seeds) = 0;

  /// forward() and, of a network that learns_outlines(), these, in one pass.
  virtual NetworkOutput forward_outlined(const torch::Tensor& images, SampleSeeds dropout_seeds) {
    return {forward(images, dropout_seeds), {}};
  }

  /// TorchScript source of `def forward(self, images: Tensor) -> Tensor` giving the same logits without dropout, using
  /// the parameters by the names they have here ("self.conv1.weight").
  virtual std::string script() const = 0;

  /// Whether this parameter belongs to the part that is pretrained (backbone.h); false for all of a network that starts
  /// from nothing.
  virtual bool is_backbone(const std::string& parameter) const {
    static_cast<void>(parameter);
    return false;
  }
};

struct NetworkOptions {
  std::string name;            ///< "proposed_cnn", ...
  std::int64_t channels = 1;   ///< C
  std::int64_t depth = 0;      ///< D of a network that takes volumes; 0: slices
  std::int64_t size_px = 224;  ///< H = W
  std::int64_t classes = 2;    ///< K
  double dropout = 0.5;
  std::uint64_t seed = 0;   ///< of the initial weights
  bool initialised = true;  ///< false: the weights are anything, to be replaced by others
};

/// The names make_network() knows.
std::vector<std::string> network_names();

/// Whether the network of this name takes volumes: stacks of a nodule's slices, or what was prepared as volumes. A
/// slice of a stack that is 0 throughout is one that is not there.
bool takes_volumes(const std::string& name);

/// Whether the network of this name outlines nodules, and so learns from the readers' outlines beside the classes. Its
/// script() then also defines `def outlines(self, images: Tensor) -> Tensor`, p(nodule) (N,1,H,W).
bool learns_outlines(const std::string& name);

/// Whether the frozen network of this name predicts quicker than its script does; false for an unknown name.
bool predicts_quicker_than_script(const std::string& name);

/// Throws InvalidInput("configuration") for an unknown name (listing the known ones), an input too small for it, or
/// volumes for one that takes slices and the reverse.
std::shared_ptr<Network> make_network(const NetworkOptions& options);

/// Makes a network ready to be run many times with the weights that it has now, and without gradients.
void freeze(Network& network);

/// Gives the fixed normalisations of a network that starts from nothing the statistics of what they see at the start,
/// so that no layer's values vanish or grow (data-dependent initialisation: Mishkin, Matas 2016; Kraehenbuehl et al.
/// 2016): one pass of `images`, as forward() takes them, in which each layer sees what those before it now give. A
/// pretrained part keeps its own where `pretrained`. Returns whether there was any such normalisation.
bool calibrate_norms(Network& network, const torch::Tensor& images, bool pretrained);

}  // namespace pulmo
