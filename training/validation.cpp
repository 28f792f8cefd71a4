#include "training/validation.h"

#include <ATen/ATen.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <array>
#include <cmath>
#include <cstring>

#include "training/diverged.h"
#include "training/evaluation/metrics.h"
#include "training/sampler.h"

namespace pulmo::training {
namespace {

struct Scored {
  double score;  ///< p(positive)
  double label;
};

struct Share {
  Meter meter;
  std::vector<Scored> scores;
};

void score_batch(const ValidationInput& input, const Batch& batch, Share& share) {
  if (batch.indices.empty()) return;
  const torch::NoGradGuard no_gradient;
  const torch::Tensor images = images_tensor(batch, input.dataset.shape(), input.weights);
  const torch::Tensor logits = input.weights.network().forward(images, {}).to(torch::kFloat64);
  const torch::Tensor labels = labels_tensor(batch, input.weights);
  const torch::Tensor log_probabilities = torch::log_softmax(logits, 1);
  share.meter += meter_of(-log_probabilities.gather(1, labels.unsqueeze(1)).sum(), logits, labels);
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

}  // namespace

std::optional<Validation> validate(const ValidationInput& input, const std::function<bool()>& interrupted) {
  Share share;
  BatchLoader loader(input.cache, input.dataset, batches_of(input), {});
  while (auto batch = loader.next()) {
    if (interrupted()) return std::nullopt;
    score_batch(input, *batch, share);
  }
  std::array<double, 3> sums = {share.meter.loss, share.meter.correct, share.meter.samples};
  input.communicator.sum(sums);
  // The last update of an epoch may have ruined weights whose loss was a number before it. Scores that are none cannot
  // be put in order.
  input.communicator.together([&] {
    if (std::isfinite(sums[0]) || !input.communicator.is_root()) return;
    throw diverged("the validation loss is not finite");
  });
  std::array<double, 1> area = {gathered_auc(input, share)};  // that of rank 0 holds
  if (!input.communicator.is_root()) area[0] = 0.0;
  input.communicator.sum(area);
  return Validation{sums[0] / sums[2], sums[1] / sums[2], area[0]};
}

}  // namespace pulmo::training
