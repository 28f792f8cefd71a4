#include "training/scoring.h"

#include <torch/types.h>

#include <algorithm>
#include <cstring>

#include "core/model/inference_module.h"
#include "training/sampler.h"

namespace pulmo::training {
namespace {

ImageBatch read_batch(const Dataset& dataset, const Range& range) {
  const SampleShape& shape = dataset.shape();
  const auto elements = static_cast<std::size_t>(shape.elements());
  ImageBatch batch{range.size(), shape.channels, shape.height, shape.width, {}};
  batch.pixels.resize(elements * static_cast<std::size_t>(range.size()));
  for (std::int64_t i = range.begin; i < range.end; ++i) {
    const auto at = static_cast<std::size_t>(i - range.begin) * elements;
    dataset.read_image(i, std::span(batch.pixels).subspan(at, elements));
  }
  return batch;
}

std::vector<double> score_range(const Predictor& predictor, const Dataset& dataset, const Range& mine,
                                std::int64_t batch_size) {
  std::vector<double> probabilities;
  for (std::int64_t begin = mine.begin; begin < mine.end; begin += batch_size) {
    const Range range{begin, std::min(mine.end, begin + batch_size)};
    const std::vector<double> rows = predictor.predict(read_batch(dataset, range));
    probabilities.insert(probabilities.end(), rows.begin(), rows.end());
  }
  return probabilities;
}

// From the probabilities of this rank's part of the samples, `classes` each.
std::vector<Prediction> gather_predictions(const std::vector<double>& share, const Dataset& dataset,
                                           std::size_t classes, const Communicator& communicator) {
  std::vector<double> all;
  for (const auto& bytes : communicator.gather(std::as_bytes(std::span(share)))) {
    std::vector<double> part(bytes.size() / sizeof(double));
    if (!bytes.empty()) std::memcpy(part.data(), bytes.data(), bytes.size());
    all.insert(all.end(), part.begin(), part.end());
  }
  if (!communicator.is_root()) return {};
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

}  // namespace

std::vector<Prediction> score(const Predictor& predictor, const Dataset& dataset, const Communicator& communicator,
                              std::int64_t batch_size) {
  const Range mine = part_of(dataset.size(), communicator.size(), communicator.rank());
  std::vector<double> share;
  communicator.together([&] { share = score_range(predictor, dataset, mine, batch_size); });
  return gather_predictions(share, dataset, predictor.metadata().class_names.size(), communicator);
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
  return gather_predictions(share, dataset, classes, communicator);
}

}  // namespace pulmo::training
