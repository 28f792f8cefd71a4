#include "core/model/predictor.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <mutex>
#include <opencv2/core.hpp>
#include <string>

#include "core/model/bundle.h"
#include "core/model/features.h"
#include "core/model/grad_cam.h"
#include "core/model/inference_module.h"
#include "core/model/integrated_gradients.h"
#include "core/model/shape_text.h"
#include "core/model/torch_device.h"
#include "core/support/error.h"

namespace pulmo {
namespace {

/// Of one image: (C,H,W), or with a depth (C,D,H,W).
std::vector<std::int64_t> image_shape(std::int64_t channels, std::int64_t depth, std::int64_t height,
                                      std::int64_t width) {
  if (depth == 0) return {channels, height, width};
  return {channels, depth, height, width};
}

/// Value = pixel / 65535.
torch::Tensor images_of(const ImageBatch& batch) {
  std::vector<std::int64_t> sizes = image_shape(batch.channels, batch.depth, batch.height, batch.width);
  sizes.insert(sizes.begin(), batch.count);
  torch::Tensor images = at::empty(sizes, at::kFloat);
  std::transform(batch.pixels.begin(), batch.pixels.end(), images.data_ptr<float>(),
                 [](std::uint16_t pixel) { return static_cast<float>(pixel) / 65535.0F; });
  return images;
}

torch::Tensor features_of(const ImageBatch& batch) {
  const auto width = static_cast<std::int64_t>(feature_names().size());
  torch::Tensor features = at::empty({batch.count, width}, at::kFloat);
  const std::size_t stride = batch.pixels.size() / static_cast<std::size_t>(batch.count);
  for (std::int64_t i = 0; i < batch.count; ++i) {
    const auto* first = batch.pixels.data() + static_cast<std::size_t>(i) * stride;
    // The header of a const picture needs a cast: cv::Mat has no const data, and extract_features() only reads.
    const cv::Mat image(static_cast<int>(batch.height), static_cast<int>(batch.width), CV_16UC1,
                        const_cast<std::uint16_t*>(first));
    const std::vector<float> row = extract_features(image);
    std::copy(row.begin(), row.end(), features.data_ptr<float>() + i * width);
  }
  return features;
}

class BundlePredictor final : public Predictor {
 public:
  BundlePredictor(Bundle bundle, int threads, Device device)
      : bundle_(std::move(bundle)),
        threads_(threads),
        device_(bundle_.metadata.input == BundleInput::kImage ? device : Device{}) {
    set_threads();
    forward_ = prepare_for_inference(bundle_, device_).forward;
  }

  std::vector<double> predict(const ImageBatch& batch) const override {
    check(batch);
    set_threads();
    const bool on_images = bundle_.metadata.input == BundleInput::kImage;
    const torch::Tensor input = on_images ? images_of(batch) : features_of(batch);
    return softmax(forward_(input.to(torch_device(device_))), bundle_.metadata.temperature);
  }

  std::optional<cv::Mat> grad_cam(const ImageBatch& image, std::size_t k) const override {
    if (bundle_.metadata.input != BundleInput::kImage) return std::nullopt;
    check(image);
    const GradCam* made = grad_cam_of_model();
    if (made == nullptr) return std::nullopt;
    return made->map(images_of(image), static_cast<std::int64_t>(k));
  }

  bool grad_cam_tells_places() const override {
    if (bundle_.metadata.input != BundleInput::kImage) return false;
    const GradCam* made = grad_cam_of_model();
    return made != nullptr && made->tells_places();
  }

  std::optional<cv::Mat> integrated_gradients(const ImageBatch& image, std::size_t k,
                                              const std::function<bool()>& keep_on) const override {
    if (bundle_.metadata.input != BundleInput::kImage) return std::nullopt;
    check(image);
    set_threads();
    std::call_once(integrated_made_,
                   [this] { integrated_ = IntegratedGradients::of(bundle_.module, bundle_.metadata); });
    if (!integrated_) return std::nullopt;
    return integrated_->map(images_of(image), static_cast<std::int64_t>(k), keep_on);
  }

  std::vector<double> slice_weights(const ImageBatch& batch) const override {
    if (!bundle_.module.find_method("slice_weights") || bundle_.metadata.depth == 0) return {};
    check(batch);
    set_threads();
    const c10::InferenceMode inference;
    const torch::Tensor weights =
        bundle_.module.get_method("slice_weights")({images_of(batch).to(torch_device(device_))})
            .toTensor()
            .to(at::kCPU, at::kDouble)
            .contiguous();
    if (weights.numel() != batch.count * batch.depth) {
      throw InvalidInput("bundle", "its slice_weights are not one of each slice");
    }
    return {weights.data_ptr<double>(), weights.data_ptr<double>() + weights.numel()};
  }

  std::vector<cv::Mat> outlines(const ImageBatch& batch) const override {
    if (!bundle_.module.find_method("outlines") || bundle_.metadata.depth != 0) return {};
    check(batch);
    set_threads();
    const c10::InferenceMode inference;
    const torch::Tensor p = bundle_.module.get_method("outlines")({images_of(batch).to(torch_device(device_))})
                                .toTensor()
                                .to(at::kCPU, at::kFloat)
                                .contiguous();
    const cv::Size size(static_cast<int>(batch.width), static_cast<int>(batch.height));
    if (p.numel() != batch.count * batch.height * batch.width) {
      throw InvalidInput("bundle", "its outlines are not of the size of the images");
    }
    std::vector<cv::Mat> maps;
    for (std::int64_t i = 0; i < batch.count; ++i) {
      maps.push_back(cv::Mat(size, CV_32FC1, p.data_ptr<float>() + i * size.area()).clone());
    }
    return maps;
  }

  const BundleMetadata& metadata() const override { return bundle_.metadata; }
  const std::string& sha256() const override { return bundle_.sha256; }

 private:
  /// OpenMP keeps the count per calling thread.
  void set_threads() const {
    if (threads_ > 0 && at::get_num_threads() != threads_) at::set_num_threads(threads_);
  }

  /// Null where the model has none.
  const GradCam* grad_cam_of_model() const {
    set_threads();
    std::call_once(grad_cam_made_, [this] { grad_cam_ = GradCam::of(bundle_.module, bundle_.metadata); });
    return grad_cam_.get();
  }

  void check(const ImageBatch& batch) const {
    const std::int64_t size = bundle_.metadata.spec.size_px;
    const std::int64_t channels = bundle_.metadata.channels;
    const std::int64_t depth = bundle_.metadata.depth;
    const auto given = image_shape(batch.channels, batch.depth, batch.height, batch.width);
    const auto taken = image_shape(channels, depth, size, size);
    if (given != taken) {
      throw InvalidInput("shape",
                         "the batch holds images of " + shape_text(given) + ", the model takes " + shape_text(taken));
    }
    const std::int64_t values = batch.count * channels * std::max<std::int64_t>(1, depth) * size * size;
    if (batch.count < 1 || static_cast<std::int64_t>(batch.pixels.size()) != values) {
      throw InvalidInput("shape", "a batch of " + std::to_string(batch.count) + " images needs " +
                                      std::to_string(values) + " values, it holds " +
                                      std::to_string(batch.pixels.size()));
    }
  }

  Bundle bundle_;    ///< its module as the file has it: what gradients are taken of
  Forward forward_;  ///< the same made ready for inference
  int threads_;
  Device device_;
  // Few models are ever asked to explain themselves.
  mutable std::once_flag grad_cam_made_, integrated_made_;
  mutable std::shared_ptr<const GradCam> grad_cam_;
  mutable std::shared_ptr<const IntegratedGradients> integrated_;
};

}  // namespace

std::shared_ptr<const Predictor> load_predictor(const std::filesystem::path& bundle, int threads, Device device) {
  Bundle loaded = load_bundle(bundle);
  try {
    return std::make_shared<BundlePredictor>(std::move(loaded), threads, device);
  } catch (const InvalidInput& error) {
    throw InvalidInput(error.reason(), "bundle " + bundle.string() + ": " + error.what());
  }
}

}  // namespace pulmo
