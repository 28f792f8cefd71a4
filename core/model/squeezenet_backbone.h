#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/model/backbone.h"

namespace pulmo {

/// SqueezeNet 1.1 (Iandola et al. 2016) up to its last maps, for the rows that begin with it.
class SqueezeNetBackbone : public BackboneNetwork {
 protected:
  static constexpr std::int64_t kMaps = 512;
  static constexpr std::int64_t kMinimumSize = 17;  // what leaves a pixel after four halvings

  explicit SqueezeNetBackbone(const NetworkOptions& options);

  /// (N,1,H,W) or (N,3,H,W) in [0, 1] to the last maps (N,kMaps,H',W').
  torch::Tensor maps_of(const torch::Tensor& images) const;
  /// The same as lines of a TorchScript function after script_of_input(), of x.
  static std::string script_of_maps();

 private:
  class Fire;
  std::shared_ptr<ConvLayer> first_;
  std::vector<std::shared_ptr<Fire>> fires_;
};

}  // namespace pulmo
