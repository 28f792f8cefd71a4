#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <opencv2/core/mat.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/model/bundle_metadata.h"
#include "core/model/device.h"

namespace pulmo {

/// A batch of preprocessed images: N samples of C*H*W values, or volumes of C*D*H*W; value = pixel / 65535.
struct ImageBatch {
  std::int64_t count = 0;             ///< N
  std::int64_t channels = 1;          ///< C
  std::int64_t height = 0;            ///< H
  std::int64_t width = 0;             ///< W
  std::vector<std::uint16_t> pixels;  ///< N*C*H*W or N*C*D*H*W, row-major
  std::int64_t depth = 0;             ///< D; 0: slices
};

/// Where the model begins. Implementations are immutable after construction and thread-safe.
class Predictor {
 public:
  virtual ~Predictor() = default;
  /// Probabilities, N*K row-major, each row summing to 1. Throws InvalidInput("shape") when the batch does not fit.
  virtual std::vector<double> predict(const ImageBatch& batch) const = 0;
  /// Grad-CAM (grad_cam.h) of class `k` for a batch of one image: (H,W) CV_32FC1, at least 0; of a volume its slices
  /// one below the other, (D*H,W). nullopt when the model has no maps with a gradient. Throws InvalidInput("shape")
  /// when the batch does not fit.
  virtual std::optional<cv::Mat> grad_cam(const ImageBatch& /*image*/, std::size_t /*k*/) const { return std::nullopt; }
  /// Whether grad_cam() says what each place adds to the result (GradCam::tells_places()).
  virtual bool grad_cam_tells_places() const { return false; }
  /// Integrated gradients (integrated_gradients.h) likewise. nullopt when the model has no gradient, or `keep_on`,
  /// asked before each of its runs, says false; empty: nobody is asked.
  virtual std::optional<cv::Mat> integrated_gradients(const ImageBatch& /*image*/, std::size_t /*k*/,
                                                      const std::function<bool()>& /*keep_on*/ = {}) const {
    return std::nullopt;
  }
  /// Of a model that weighs the slices of a volume: each one's share in the result, N*D row-major, each row summing to
  /// 1; a slice that is not there has 0. Empty for other models. Throws InvalidInput("shape") when the batch does not
  /// fit.
  virtual std::vector<double> slice_weights(const ImageBatch& /*batch*/) const { return {}; }
  /// Of a model that outlines nodules: p(nodule) of each pixel, one (H,W) CV_32FC1 an image. Empty for other models.
  /// Throws InvalidInput("shape") when the batch does not fit.
  virtual std::vector<cv::Mat> outlines(const ImageBatch& /*batch*/) const { return {}; }
  virtual const BundleMetadata& metadata() const = 0;
  /// SHA-256 of the bundle file; empty for a model that was never saved.
  virtual const std::string& sha256() const = 0;
};

/// Loads a bundle (of any row) for inference. `threads` is the intra-op thread count of LibTorch, 0 keeps it. Networks
/// compute on `device`, rows on handcrafted features always on the processor. Throws as load_bundle(). The header needs
/// no LibTorch, so that serving compiles without it.
std::shared_ptr<const Predictor> load_predictor(const std::filesystem::path& bundle, int threads = 0,
                                                Device device = {});

}  // namespace pulmo
