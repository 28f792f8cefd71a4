#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <limits>

#include "core/model/architectures.h"
#include "core/model/squeezenet_backbone.h"

namespace pulmo {
namespace {

constexpr std::int64_t kHidden = 64;  // of the attention

constexpr const char* kScoresHead = R"(
def scores_of(self, volumes: Tensor) -> Tuple[Tensor, Tensor]:
    images = torch.flatten(torch.transpose(volumes, 1, 2), 0, 1))";

constexpr const char* kScript = R"(
    x = torch.mean(x, [2, 3])
    content = torch.tanh(torch.linear(x, self.attention.content.weight, self.attention.content.bias))
    gate = torch.sigmoid(torch.linear(x, self.attention.gate.weight, self.attention.gate.bias))
    scores = torch.linear(content * gate, self.attention.score.weight, self.attention.score.bias)
    present = torch.amax(images, [1, 2, 3]).view([volumes.size(0), -1]) > 0
    present = torch.logical_or(present, torch.logical_not(torch.any(present, 1, True)))
    scores = scores.view([volumes.size(0), -1]).masked_fill(torch.logical_not(present), -float("inf"))
    return torch.softmax(scores, 1), x.view([volumes.size(0), volumes.size(2), -1])

def slice_weights(self, volumes: Tensor) -> Tensor:
    return self.scores_of(volumes)[0]

def forward(self, volumes: Tensor) -> Tensor:
    weights, x = self.scores_of(volumes)
    x = torch.sum(torch.unsqueeze(weights, 2) * x, 1)
    return torch.linear(x, self.classifier.weight, self.classifier.bias)
)";

/// Gated attention over slices (Ilse, Tomczak, Welling 2018, equation 9): softmax of w (tanh(V h) * sigmoid(U h)).
class GatedAttention : public torch::nn::Module {
 public:
  explicit GatedAttention(std::int64_t features)
      : content_(register_module("content", std::make_shared<DenseLayer>(features, kHidden))),
        gate_(register_module("gate", std::make_shared<DenseLayer>(features, kHidden))),
        score_(register_module("score", std::make_shared<DenseLayer>(kHidden, 1))) {}

  /// (M, features) to (M).
  torch::Tensor scores(const torch::Tensor& features) const {
    const torch::Tensor hidden = content_->forward(features).tanh() * gate_->forward(features).sigmoid();
    return score_->forward(hidden).squeeze(1);
  }

 private:
  std::shared_ptr<DenseLayer> content_, gate_, score_;
};

/// SqueezeNet 1.1 on each slice of a stack; the means of its last maps are weighed by attention and added up, then
/// dropout and one dense layer. Slices that are not there get no weight and cost nothing.
class SliceAttention final : public SqueezeNetBackbone {
 public:
  explicit SliceAttention(const NetworkOptions& options) : SqueezeNetBackbone(options) {
    require_size(options, kMinimumSize);
    attention_ = register_module("attention", std::make_shared<GatedAttention>(kMaps));
    add_classifier(kMaps, options);
  }

  torch::Tensor forward(const torch::Tensor& volumes, SampleSeeds dropout_seeds) override {
    const std::int64_t stacks = volumes.size(0);
    const std::int64_t depth = volumes.size(2);
    const torch::Tensor images = volumes.transpose(1, 2).flatten(0, 1);
    torch::Tensor present = images.detach().amax({1, 2, 3}).view({stacks, depth}) > 0;
    present = present.logical_or(present.any(1, true).logical_not());  // of an empty stack all
    const torch::Tensor index = present.flatten().nonzero().squeeze(1);
    const torch::Tensor features = maps_of(images.index_select(0, index)).mean({2, 3});
    const torch::Tensor scores = attention_->scores(features);
    const double least = -std::numeric_limits<double>::infinity();
    const torch::Tensor weights = at::full({stacks * depth}, least, scores.options())
                                      .index_copy(0, index, scores)
                                      .view({stacks, depth})
                                      .softmax(1)
                                      .flatten()
                                      .index_select(0, index);
    const torch::Tensor sums = at::zeros({stacks, kMaps}, features.options())
                                   .index_add(0, index.div(depth, "floor"), features * weights.unsqueeze(1));
    return decided(sums, dropout_seeds);
  }

  std::string script() const override { return kScoresHead + script_of_normalisation() + script_of_maps() + kScript; }

  bool is_backbone(const std::string& parameter) const override {
    return parameter.rfind("attention.", 0) != 0 && SqueezeNetBackbone::is_backbone(parameter);
  }

 private:
  std::shared_ptr<GatedAttention> attention_;
};

}  // namespace

std::shared_ptr<Network> make_slice_attention(const NetworkOptions& options) {
  return std::make_shared<SliceAttention>(options);
}

}  // namespace pulmo
