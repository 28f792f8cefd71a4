#include <ATen/ops/cat.h>

#include "core/model/architectures.h"
#include "core/model/backbone.h"
#include "core/model/densenet_features.h"
#include "core/model/unet.h"

namespace pulmo {
namespace {

constexpr const char* kHead = R"(
def outlines(self, images: Tensor) -> Tensor:
    x = torch.narrow(images, 1, 0, 1))";

constexpr const char* kForward = R"(
    return torch.sigmoid(y)

def forward(self, images: Tensor) -> Tensor:
    p = self.outlines(images)
    images = torch.narrow(images, 1, 0, 1)
    images = torch.cat([images, p, images * p], 1))";

/// A U-Net outlines the nodule; DenseNet-121 sees the slice, the U-Net's p(nodule) of each pixel, and the slice within
/// it (their product) as its three channels. Each learns from its own loss alone: the U-Net from the readers' outlines,
/// the DenseNet, which takes p as it is, from the classes.
class UNetDenseNet final : public BackboneNetwork {
 public:
  explicit UNetDenseNet(const NetworkOptions& options)
      : BackboneNetwork(options),
        unet_(register_module("unet", std::make_shared<UNet>(1))),
        features_(register_module("features", std::make_shared<DenseNetFeatures>())) {
    add_classifier(DenseNetFeatures::kMaps, options);
  }

  bool is_backbone(const std::string& parameter) const override {
    return parameter.rfind("unet.", 0) != 0 && BackboneNetwork::is_backbone(parameter);
  }

  torch::Tensor forward(const torch::Tensor& images, SampleSeeds dropout_seeds) override {
    return forward_outlined(images, dropout_seeds).logits;
  }

  NetworkOutput forward_outlined(const torch::Tensor& images, SampleSeeds dropout_seeds) override {
    const torch::Tensor slice = images.narrow(1, 0, 1);  // three channels show the same
    const torch::Tensor outline_logits = unet_->forward(slice);
    const torch::Tensor p = outline_logits.detach().sigmoid();
    const torch::Tensor seen = at::cat({slice, p, slice * p}, 1);
    return {classified(features_->forward(normalised(seen)), dropout_seeds), outline_logits};
  }

  std::string script() const override {
    return kHead + UNet::script("unet", "x") + kForward + script_of_normalisation() + DenseNetFeatures::script() +
           script_of_classifier();
  }

 private:
  std::shared_ptr<UNet> unet_;
  std::shared_ptr<DenseNetFeatures> features_;
};

}  // namespace

std::shared_ptr<Network> make_unet_densenet(const NetworkOptions& options) {
  require_size(options, DenseNetFeatures::kMinimumSize);
  return std::make_shared<UNetDenseNet>(options);
}

}  // namespace pulmo
