#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/model/layers.h"

namespace pulmo {

class DenseBlock;
class DenseTransition;

/// DenseNet-121 (Huang, Liu, van der Maaten, Weinberger 2017) without its classifier, by torchvision's names: what the
/// rows densenet121 and unet_densenet share. To be registered as "features".
class DenseNetFeatures : public torch::nn::Module {
 public:
  static constexpr std::int64_t kMaps = 1024;       ///< of the result
  static constexpr std::int64_t kMinimumSize = 29;  ///< px that leave a pixel after five halvings

  DenseNetFeatures();
  /// (N,3,H,W) to (N, kMaps, H/32, W/32).
  torch::Tensor forward(const torch::Tensor& images) const;
  /// The same as lines of a TorchScript function, from x to x.
  static std::string script();

 private:
  std::shared_ptr<ConvLayer> conv0_;
  std::shared_ptr<FrozenNorm> norm0_;
  std::vector<std::shared_ptr<DenseBlock>> blocks_;
  std::vector<std::shared_ptr<DenseTransition>> transitions_;
  std::shared_ptr<FrozenNorm> norm5_;
};

}  // namespace pulmo
