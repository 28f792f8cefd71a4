#include "training/scoring.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "core/model/inference_module.h"
#include "core/support/error.h"

namespace pulmo::training {
ImageBatch read_batch(const Dataset& dataset, const Range& range, std::int64_t channels) {
  const SampleShape& shape = dataset.shape();
  const auto elements = static_cast<std::size_t>(shape.elements());
  const auto copies = static_cast<std::size_t>(channels / shape.channels);
  ImageBatch batch{range.size(), channels, shape.height, shape.width, {}, shape.depth};
  batch.pixels.resize(copies * elements * static_cast<std::size_t>(range.size()));
  for (std::int64_t i = range.begin; i < range.end; ++i) {
    const auto first = static_cast<std::size_t>(i - range.begin) * copies * elements;
    const std::span sample = std::span(batch.pixels).subspan(first, copies * elements);
    dataset.read_image(i, sample.first(elements));
    for (std::size_t copy = 1; copy < copies; ++copy) {
      std::copy_n(sample.begin(), elements, sample.begin() + static_cast<std::ptrdiff_t>(copy * elements));
    }
  }
  return batch;
}

namespace {

std::vector<double> score_range(const Predictor& predictor, const Dataset& dataset, const Range& mine,
                                std::int64_t batch_size) {
  std::vector<double> probabilities;
  for (std::int64_t begin = mine.begin; begin < mine.end; begin += batch_size) {
    const Range range{begin, std::min(mine.end, begin + batch_size)};
    const std::vector<double> rows = predictor.predict(read_batch(dataset, range, predictor.metadata().channels));
    if (!std::all_of(rows.begin(), rows.end(), [](double p) { return std::isfinite(p); })) {
      throw InvalidInput("bundle", "the model's probabilities are not numbers for one of the samples from " +
                                       dataset.place(range.begin) + " on: no figure can be made of them");
    }
    probabilities.insert(probabilities.end(), rows.begin(), rows.end());
  }
  return probabilities;
}

// The probabilities of all samples, from this rank's part of them; on rank 0.
std::vector<double> gather_all(const std::vector<double>& share, const Communicator& communicator) {
  std::vector<double> all;
  for (const auto& bytes : communicator.gather(std::as_bytes(std::span(share)))) {
    std::vector<double> part(bytes.size() / sizeof(double));
    if (!bytes.empty()) std::memcpy(part.data(), bytes.data(), bytes.size());
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

// From `classes` probabilities of each sample.
std::vector<Prediction> predictions_of(const std::vector<double>& all, const Dataset& dataset, std::size_t classes) {
  std::vector<Prediction> predictions;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(i) * classes);
    predictions.push_back({dataset.patient(i),
                           dataset.group(i),
                           dataset.instance(i),
                           dataset.label(i),
                           {first, first + static_cast<std::ptrdiff_t>(classes)}});
  }
  return predictions;
}

// A stack's probabilities are those of each of its slices, so that they stand beside those of other rows.
std::vector<double> of_slices(const std::vector<double>& of_stacks, const Dataset& slices, std::size_t classes) {
  std::vector<double> all(static_cast<std::size_t>(slices.size()) * classes);
  const auto groups = groups_of(slices);
  for (std::size_t stack = 0; stack < groups.size(); ++stack) {
    for (const std::int64_t slice : groups[stack]) {
      std::copy_n(of_stacks.begin() + static_cast<std::ptrdiff_t>(stack * classes), classes,
                  all.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(slice) * classes));
    }
  }
  return all;
}

// Of each sample, K in a row; on rank 0.
std::vector<double> probabilities_of(const Predictor& predictor, const Dataset& dataset,
                                     const Communicator& communicator, std::int64_t batch_size) {
  const Range mine = part_of(dataset.size(), communicator.size(), communicator.rank());
  std::vector<double> share;
  communicator.together([&] { share = score_range(predictor, dataset, mine, batch_size); });
  return gather_all(share, communicator);
}

}  // namespace

std::vector<Prediction> score(const Predictor& predictor, const Dataset& dataset, const Communicator& communicator,
                              std::int64_t batch_size) {
  const std::int64_t depth = predictor.metadata().depth;
  const std::size_t classes = predictor.metadata().class_names.size();
  std::vector<double> all;
  if (depth > 0 && dataset.shape().depth == 0) {
    std::optional<Dataset> stacks;
    communicator.together([&] { stacks = dataset.stacked(depth); });
    all = probabilities_of(predictor, *stacks, communicator, batch_size);
    if (communicator.is_root()) all = of_slices(all, dataset, classes);
  } else {
    all = probabilities_of(predictor, dataset, communicator, batch_size);
  }
  return communicator.is_root() ? predictions_of(all, dataset, classes) : std::vector<Prediction>{};
}

std::vector<Prediction> score(const Bundle& bundle, const cv::Mat& features, const Dataset& dataset,
                              const Communicator& communicator) {
  const Range mine = part_of(dataset.size(), communicator.size(), communicator.rank());
  const std::size_t classes = bundle.metadata.class_names.size();
  std::vector<double> share;
  communicator.together([&] {
    if (mine.size() == 0) return;
    cv::Mat rows = features.rowRange(static_cast<int>(mine.begin), static_cast<int>(mine.end));
    const torch::Tensor input = torch::from_blob(rows.data, {mine.size(), rows.cols});
    const torch::Tensor logits = run_module(bundle.module, input, static_cast<std::int64_t>(classes));
    share = softmax(logits, bundle.metadata.temperature);
  });
  const std::vector<double> all = gather_all(share, communicator);
  return communicator.is_root() ? predictions_of(all, dataset, classes) : std::vector<Prediction>{};
}

}  // namespace pulmo::training
