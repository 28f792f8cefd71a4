#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/model/layers.h"
#include "training/adam.h"
#include "training/batch_loader.h"
#include "training/communicator.h"
#include "training/gradient_sync.h"
#include "training/weights.h"

namespace pulmo::training {

/// Sums over samples, so that batches and ranks merge by addition and are divided once.
struct Meter {
  double loss = 0.0;     ///< sum of the samples' (weighted) cross-entropies of the classes
  double correct = 0.0;  ///< samples whose likeliest class is the label
  double samples = 0.0;
  double outline_loss = 0.0;  ///< sum of the outlines' losses of the samples that came with outlines
  double outlined = 0.0;      ///< so many

  Meter& operator+=(const Meter& other);
  double mean_loss() const { return samples > 0.0 ? loss / samples : 0.0; }
  double accuracy() const { return samples > 0.0 ? correct / samples : 0.0; }
  /// NaN where no sample came with an outline.
  double mean_outline_loss() const;
  bool is_finite() const;
};

/// Of one batch: `loss` is the sum over its samples, `logits` (N,K), `labels` (N); `outline_loss` the sum of that of
/// the outlines, undefined without. Waits for a graphics card once.
Meter meter_of(const torch::Tensor& loss, const torch::Tensor& logits, const torch::Tensor& labels,
               const torch::Tensor& outline_loss = {});
/// The ranks' meters added up, on every rank. Collective.
Meter sum_over_ranks(const Meter& mine, const Communicator& ranks);

/// The images of a batch as a tensor (N,C,H,W), volumes (N,C,D,H,W), of the weights' type, where the weights are.
torch::Tensor images_tensor(const Batch& batch, const SampleShape& shape, const Weights& weights);
/// The outlines of a batch (N,1,H,W) likewise, but float32 at least; undefined where it has none.
torch::Tensor outlines_tensor(const Batch& batch, const SampleShape& shape, const Weights& weights);
/// The labels of a batch (N), int64, where the weights are.
torch::Tensor labels_tensor(const Batch& batch, const Weights& weights);

/// One training step of one rank: forward, backward, exchange, update.
class TrainingStep {
 public:
  struct Parts {
    Weights& weights;
    Adam& adam;
    GradientSync& sync;
    SampleShape shape;
    std::vector<double> class_weights;                  ///< K
    std::vector<std::shared_ptr<DenseLayer>> factored;  ///< layers whose factors travel instead of their gradients
    double focal_gamma = 0.0;                           ///< of the focal loss; 0: cross-entropy
    double outline_weight = 1.0;                        ///< of the outlines' loss, where a batch has them
    std::int64_t accumulate = 1;                        ///< pieces of a share; fewer where it has fewer samples
  };
  explicit TrainingStep(const Parts& parts);

  /// Forward and backward over this rank's share of a global batch of `global_size` samples: the loss is the sum over
  /// the share divided by `global_size`, so that the ranks' gradients add up to those of the global batch. The share
  /// goes through the network in `accumulate` pieces, whose gradients are added up. An empty share gives zero
  /// gradients. Returns the share's sums.
  Meter backward(const Batch& batch, std::int64_t global_size);

  /// Sums the gradients of backward() over the ranks. Collective.
  void exchange();

  /// Shortens the gradients of exchange() to this 2-norm over all of them; 0 leaves them. Returns the norm before.
  double clip(double longest);

  /// Updates the weights by the gradients of exchange().
  void update(double learning_rate);

 private:
  struct Piece {
    torch::Tensor images;    ///< (N,C,H,W) or (N,C,D,H,W)
    torch::Tensor labels;    ///< (N)
    torch::Tensor outlines;  ///< (N,1,H,W); undefined without
    SampleSeeds dropout_seeds;
  };

  /// What to do with each weight in this step: nothing, exchange its gradient (its place among those), or its factors.
  void plan();
  void announce_gradients();
  void clear_gradients();
  Meter backward_piece(const Piece& piece, std::int64_t global_size);
  torch::Tensor product_of(const DenseLayer& layer) const;

  Parts parts_;
  torch::Tensor class_weights_;
  std::vector<DenseLayer*> factored_;   ///< by weight; null for most
  std::vector<std::size_t> exchanged_;  ///< the weights whose gradients are exchanged, in order
  std::vector<std::shared_ptr<torch::autograd::Node>> announced_;
  std::vector<torch::Tensor> gradients_;  ///< by weight; undefined where it does not learn
  bool last_piece_ = true;                ///< the gradients are complete after the backward under way
};

/// The dense layers of a network whose factors should travel when `ranks` share batches of `global_batch`.
std::vector<std::shared_ptr<DenseLayer>> factored_layers(const Network& network, ExchangeChoice choice,
                                                         std::int64_t global_batch, int ranks);

}  // namespace pulmo::training
