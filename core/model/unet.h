#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/model/layers.h"

namespace pulmo {

class UNetStage;

/// U-Net (Ronneberger, Fischer, Brox 2015): four stages of two padded 3x3 convolutions, each normalised by fixed
/// statistics (calibrate_norms()) and rectified, with 2x2 poolings between them, and back up to the picture's size,
/// each stage beside what was there on the way down. Against the paper: an eighth of its maps and three poolings
/// instead of four, for nodules of some pixels; enlarged bilinearly to the size of what it is joined to, so that any
/// size of at least kMinimumSize serves.
class UNet : public torch::nn::Module {
 public:
  static constexpr std::int64_t kMinimumSize = 8;  ///< px

  explicit UNet(std::int64_t channels);
  /// (N,C,H,W) in [0, 1] to logits (N,1,H,W) of the pixel's belonging to a nodule.
  torch::Tensor forward(const torch::Tensor& images) const;
  /// The same as lines of a TorchScript function, from the variable `input` to y; `name` is that of this module.
  static std::string script(const std::string& name, const std::string& input);

 private:
  std::vector<std::shared_ptr<UNetStage>> down_;
  std::vector<std::shared_ptr<UNetStage>> up_;  ///< from the deepest
  std::shared_ptr<ConvLayer> last_;
};

}  // namespace pulmo
