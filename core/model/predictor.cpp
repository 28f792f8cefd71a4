#include "core/model/predictor.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>
#include <string>

#include "core/model/bundle.h"
#include "core/model/features.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

std::string shape_text(std::int64_t channels, std::int64_t height, std::int64_t width) {
  return std::to_string(channels) + "x" + std::to_string(height) + "x" + std::to_string(width);
}

/// softmax(logits / temperature) of (N,K) logits, row by row.
std::vector<double> softmax(const torch::Tensor& logits, double temperature) {
  const torch::Tensor scaled = logits.to(at::kDouble).contiguous();
  const std::int64_t classes = scaled.size(1);
  std::vector<double> result(scaled.data_ptr<double>(), scaled.data_ptr<double>() + scaled.numel());
  for (auto row = result.begin(); row != result.end(); row += classes) {
    const double highest = *std::max_element(row, row + classes);
    double sum = 0.0;
    for (auto value = row; value != row + classes; ++value) sum += * value = std::exp((*value - highest) / temperature);
    for (auto value = row; value != row + classes; ++value) *value /= sum;
  }
  return result;
}

class BundlePredictor final : public Predictor {
 public:
  BundlePredictor(Bundle bundle, int threads) : bundle_(std::move(bundle)), threads_(threads) {}

  std::vector<double> predict(const ImageBatch& batch) const override {
    check(batch);
    const c10::InferenceMode inference;
    // LibTorch keeps the count per thread: each caller needs it set once.
    if (threads_ > 0 && at::get_num_threads() != threads_) at::set_num_threads(threads_);
    const bool on_images = bundle_.metadata.input == BundleInput::kImage;
    const torch::Tensor logits = forward(on_images ? images_of(batch) : features_of(batch));
    return softmax(logits, bundle_.metadata.temperature);
  }

  const BundleMetadata& metadata() const override { return bundle_.metadata; }
  const std::string& sha256() const override { return bundle_.sha256; }

 private:
  void check(const ImageBatch& batch) const {
    const std::int64_t size = bundle_.metadata.spec.size_px;
    const std::int64_t channels = bundle_.metadata.channels;
    if (batch.channels != channels || batch.height != size || batch.width != size) {
      throw InvalidInput("shape", "the batch holds images of " + shape_text(batch.channels, batch.height, batch.width) +
                                      ", the model takes " + shape_text(channels, size, size));
    }
    const std::int64_t values = batch.count * channels * size * size;
    if (batch.count < 1 || static_cast<std::int64_t>(batch.pixels.size()) != values) {
      throw InvalidInput("shape", "a batch of " + std::to_string(batch.count) + " images needs " +
                                      std::to_string(values) + " values, it holds " +
                                      std::to_string(batch.pixels.size()));
    }
  }

  static torch::Tensor images_of(const ImageBatch& batch) {
    torch::Tensor images = at::empty({batch.count, batch.channels, batch.height, batch.width}, at::kFloat);
    std::transform(batch.pixels.begin(), batch.pixels.end(), images.data_ptr<float>(),
                   [](std::uint16_t pixel) { return static_cast<float>(pixel) / 65535.0F; });
    return images;
  }

  static torch::Tensor features_of(const ImageBatch& batch) {
    const auto width = static_cast<std::int64_t>(feature_names().size());
    torch::Tensor features = at::empty({batch.count, width}, at::kFloat);
    std::vector<std::uint16_t> pixels = batch.pixels;  // cv::Mat takes no const data
    const std::size_t stride = pixels.size() / static_cast<std::size_t>(batch.count);
    for (std::int64_t i = 0; i < batch.count; ++i) {
      const cv::Mat image(static_cast<int>(batch.height), static_cast<int>(batch.width), CV_16UC1,
                          pixels.data() + static_cast<std::size_t>(i) * stride);
      const std::vector<float> row = extract_features(image);
      std::copy(row.begin(), row.end(), features.data_ptr<float>() + i * width);
    }
    return features;
  }

  torch::Tensor forward(const torch::Tensor& input) const {
    torch::Tensor logits = bundle_.module.get_method("forward")({input}).toTensor();
    const auto classes = static_cast<std::int64_t>(bundle_.metadata.class_names.size());
    if (logits.dim() != 2 || logits.size(0) != input.size(0) || logits.size(1) != classes) {
      throw InvalidInput("bundle", "the model gives no (N,K) logits for its " + std::to_string(classes) + " classes");
    }
    return logits;
  }

  Bundle bundle_;
  int threads_;
};

}  // namespace

std::shared_ptr<const Predictor> load_predictor(const std::filesystem::path& bundle, int threads) {
  return std::make_shared<BundlePredictor>(load_bundle(bundle), threads);
}

}  // namespace pulmo
