#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/interpreter.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <opencv2/core/mat.hpp>

#include "core/model/bundle_metadata.h"

namespace pulmo {

/// Of the last maps, a side. Of 3 x 3 places Grad-CAM was measured to order pixels worse than chance, of 5 x 5 better
/// (docs/results.md, on explanations).
inline constexpr std::int64_t kFewestPlaces = 4;

/// Gradient-weighted class activation mapping (Selvaraju et al. 2017, equations 1 and 2) of any TorchScript module:
/// relu(sum over maps m of a_m * A_m), a_m the mean over the map of the gradient of the class's logit with respect to
/// A_m. A are the last maps with rows and columns that the module makes after a convolution: what it flattens or
/// averages next, behind the ReLU (and pooling) of its last convolution. Of volumes they have slices too, and the mean
/// goes over these; or each slice has maps of its own, and a mean of its own. Thread-safe.
class GradCam {
 public:
  /// nullptr when the module makes no such maps, or cannot be differentiated.
  static std::shared_ptr<const GradCam> of(const torch::jit::Module& module, const BundleMetadata& metadata);

  /// `image` (1,C,H,W) or (1,C,D,H,W) float32 in [0, 1], `k` the class. The map, (H,W) CV_32FC1, enlarged by linear
  /// interpolation between the centres of its places; not scaled, all 0 when nothing speaks for the class. Of a volume
  /// its slices one below the other, (D*H,W); where the module has one map for the whole of it, each has that.
  cv::Mat map(const torch::Tensor& image, std::int64_t k) const;

  /// Whether the map says what each place adds to the logit. So it is where the network averages its last maps, so that
  /// the gradient is the same at all places of one: then the map is the class activation map (Zhou et al. 2016). Of
  /// maps that are flattened the mean gradient says little of a place, and so do maps of fewer than kFewestPlaces rows
  /// or columns: a place of them is a large part of the picture.
  bool tells_places() const { return tells_places_; }

 private:
  GradCam(const torch::jit::Module& module, const torch::jit::Code& code) : module_(module), code_(code) {}

  struct Slopes {
    torch::Tensor maps, gradient;  ///< of the logit with respect to the maps
  };
  Slopes slopes(const torch::Tensor& image, std::int64_t k) const;
  bool is_telling(const torch::Tensor& image) const;

  torch::jit::Module module_;
  torch::jit::Code
      code_;  ///< (module, image) to (logits, maps), run operator by operator, so that gradients reach both
  bool tells_places_ = false;
};

}  // namespace pulmo
