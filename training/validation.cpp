#include "training/validation.h"

#include <ATen/ATen.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "training/diverged.h"
#include "training/evaluation/metrics.h"
#include "training/outline_loss.h"
#include "training/sampler.h"

namespace pulmo::training {
namespace {

struct Scored {
  double score;  ///< p(positive)
  double label;
};

/// Dice coefficients, of the samples with a consensus of the readers.
struct Agreement {
  double sum = 0.0;
  double samples = 0.0;
};

struct Share {
  Meter meter;
  Agreement agreement;
  std::vector<Scored> scores;
};

// Both (N,1,H,W), the logits float64.
Agreement agreement_of(const torch::Tensor& outline_logits, const torch::Tensor& shares) {
  const torch::Tensor model = outline_logits.flatten(1).sigmoid().ge(0.5).to(torch::kFloat64);
  const torch::Tensor readers = shares.flatten(1).ge(0.5).to(torch::kFloat64);
  const torch::Tensor area = readers.sum(1);
  const torch::Tensor dice = 2.0 * (model * readers).sum(1) / (model.sum(1) + area).clamp_min(1.0);
  return {dice.sum().item<double>(), area.gt(0.0).sum().item<double>()};  // without a consensus it is 0
}

void score_batch(const ValidationInput& input, const Batch& batch, Share& share) {
  if (batch.indices.empty()) return;
  const torch::NoGradGuard no_gradient;
  const torch::Tensor images = images_tensor(batch, input.dataset.shape(), input.weights);
  const NetworkOutput output = input.weights.network().forward_outlined(images, {});
  const torch::Tensor logits = output.logits.to(torch::kFloat64);
  const torch::Tensor labels = labels_tensor(batch, input.weights);
  const torch::Tensor log_probabilities = torch::log_softmax(logits, 1);
  const torch::Tensor outlines = outlines_tensor(batch, input.dataset.shape(), input.weights);
  torch::Tensor outline_loss;
  if (outlines.defined()) {
    const torch::Tensor outline_logits = output.outline_logits.to(torch::kFloat64);
    outline_loss = outline_losses(outline_logits, outlines).sum();
    const Agreement agreement = agreement_of(outline_logits, outlines);
    share.agreement.sum += agreement.sum;
    share.agreement.samples += agreement.samples;
  }
  share.meter += meter_of(-log_probabilities.gather(1, labels.unsqueeze(1)).sum(), logits, labels, outline_loss);
  const torch::Tensor positive = log_probabilities.select(1, input.positive).exp().to(torch::kCPU).contiguous();
  for (std::size_t i = 0; i < batch.labels.size(); ++i) {
    share.scores.push_back({positive.data_ptr<double>()[i], static_cast<double>(batch.labels[i])});
  }
}

// Every rank walks the same number of batches, so that the ranks can agree on an interruption before each.
std::vector<std::vector<std::int64_t>> batches_of(const ValidationInput& input) {
  const Communicator& ranks = input.communicator;
  const std::int64_t total = input.dataset.size();
  const Range mine = part_of(total, ranks.size(), ranks.rank());
  const std::int64_t largest = (total + ranks.size() - 1) / ranks.size();
  const std::int64_t count = (largest + input.batch_size - 1) / input.batch_size;
  std::vector<std::vector<std::int64_t>> batches(static_cast<std::size_t>(count));
  for (std::int64_t i = mine.begin; i < mine.end; ++i) {
    batches[static_cast<std::size_t>((i - mine.begin) / input.batch_size)].push_back(i);
  }
  return batches;
}

// On rank 0.
double gathered_auc(const ValidationInput& input, const Share& share) {
  std::vector<Prediction> predictions;
  for (const auto& bytes : input.communicator.gather(std::as_bytes(std::span(share.scores)))) {
    std::vector<Scored> scores(bytes.size() / sizeof(Scored));
    if (!bytes.empty()) std::memcpy(scores.data(), bytes.data(), bytes.size());
    for (const Scored& one : scores) {
      const bool positive = static_cast<int>(one.label) == input.positive;
      predictions.push_back({{}, {}, {}, positive ? 1 : 0, {1.0 - one.score, one.score}});
    }
  }
  return ScoredSet(predictions, {{"rest", "positive"}, 1}, {0.5}).roc_auc();
}

std::optional<Validation::Outlines> outlines_of(const ValidationInput& input, const Meter& meter, Agreement agreement) {
  if (input.outlines == nullptr) return std::nullopt;
  std::array<double, 2> sums = {agreement.sum, agreement.samples};
  input.communicator.sum(sums);
  const double dice = sums[1] > 0.0 ? sums[0] / sums[1] : std::numeric_limits<double>::quiet_NaN();
  return Validation::Outlines{meter.mean_outline_loss(), dice};
}

}  // namespace

std::optional<Validation> validate(const ValidationInput& input, const std::function<bool()>& interrupted) {
  Share share;
  LoaderOptions plain;
  plain.outlines = input.outlines;
  BatchLoader loader(input.cache, input.dataset, batches_of(input), plain);
  while (auto batch = loader.next()) {
    if (interrupted()) return std::nullopt;
    score_batch(input, *batch, share);
  }
  const Meter meter = sum_over_ranks(share.meter, input.communicator);
  // The last update of an epoch may have ruined weights whose loss was a number before it. Scores that are none cannot
  // be put in order.
  input.communicator.together([&] {
    if (std::isfinite(meter.loss) || !input.communicator.is_root()) return;
    throw diverged("the validation loss is not finite");
  });
  std::array<double, 1> area = {gathered_auc(input, share)};  // that of rank 0 holds
  if (!input.communicator.is_root()) area[0] = 0.0;
  input.communicator.sum(area);
  return Validation{meter.loss / meter.samples, meter.correct / meter.samples, area[0],
                    outlines_of(input, meter, share.agreement)};
}

}  // namespace pulmo::training
