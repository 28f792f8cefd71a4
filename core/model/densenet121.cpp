#include "core/model/architectures.h"
#include "core/model/backbone.h"
#include "core/model/densenet_features.h"

namespace pulmo {
namespace {

/// DenseNet-121 up to its last maps, their means over the picture, dropout, one dense layer.
class DenseNet121 final : public BackboneNetwork {
 public:
  explicit DenseNet121(const NetworkOptions& options)
      : BackboneNetwork(options), features_(register_module("features", std::make_shared<DenseNetFeatures>())) {
    add_classifier(DenseNetFeatures::kMaps, options);
  }

  torch::Tensor forward(const torch::Tensor& images, SampleSeeds dropout_seeds) override {
    return classified(features_->forward(normalised(images)), dropout_seeds);
  }

  std::string script() const override {
    return script_of_input() + DenseNetFeatures::script() + script_of_classifier();
  }

 private:
  std::shared_ptr<DenseNetFeatures> features_;
};

}  // namespace

std::shared_ptr<Network> make_densenet121(const NetworkOptions& options) {
  require_size(options, DenseNetFeatures::kMinimumSize);
  return std::make_shared<DenseNet121>(options);
}

}  // namespace pulmo
