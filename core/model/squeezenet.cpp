#include "core/model/architectures.h"
#include "core/model/squeezenet_backbone.h"

namespace pulmo {
namespace {

/// SqueezeNet 1.1 up to its last maps, their means over the picture, dropout, one dense layer.
class SqueezeNet final : public SqueezeNetBackbone {
 public:
  explicit SqueezeNet(const NetworkOptions& options) : SqueezeNetBackbone(options) {
    require_size(options, kMinimumSize);
    add_classifier(kMaps, options);
  }

  torch::Tensor forward(const torch::Tensor& images, SampleSeeds dropout_seeds) override {
    return classified(maps_of(images), dropout_seeds);
  }

  std::string script() const override { return script_of_input() + script_of_maps() + script_of_classifier(); }
};

}  // namespace

std::shared_ptr<Network> make_squeezenet(const NetworkOptions& options) {
  return std::make_shared<SqueezeNet>(options);
}

}  // namespace pulmo
