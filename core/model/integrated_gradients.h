#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/interpreter.h>
#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <opencv2/core/mat.hpp>
#include <optional>

#include "core/model/bundle_metadata.h"

namespace pulmo {

/// Places on the way from the baseline to the image where the gradient is taken.
inline constexpr std::int64_t kIntegrationSteps = 32;

/// Integrated gradients (Sundararajan, Taly, Yan 2017) of any TorchScript module: x times the mean of the gradient of
/// the class's logit on the straight way from the baseline, an image of 0, to x; by the midpoint rule. Thread-safe.
class IntegratedGradients {
 public:
  /// nullptr when the module cannot be differentiated.
  static std::shared_ptr<const IntegratedGradients> of(const torch::jit::Module& module,
                                                       const BundleMetadata& metadata);

  /// `image` (1,C,H,W) or (1,C,D,H,W) float32 in [0, 1], `k` the class. What each value adds to the logit, float64 of
  /// the image's shape; all together they add up to logit(image) - logit(baseline), as far as the midpoint rule goes.
  /// `keep_on` is asked before each run of the module; once it says false the result is undefined. Empty: nobody is
  /// asked.
  torch::Tensor attributions(const torch::Tensor& image, std::int64_t k,
                             const std::function<bool()>& keep_on = {}) const;

  /// Their sums over the channels where these are positive, else 0: (H,W) CV_32FC1; of a volume its slices
  /// one below the other, (D*H,W). nullopt once `keep_on` says false.
  std::optional<cv::Mat> map(const torch::Tensor& image, std::int64_t k,
                             const std::function<bool()>& keep_on = {}) const;

 private:
  IntegratedGradients(const torch::jit::Module& module, const torch::jit::Code& code) : module_(module), code_(code) {}

  torch::jit::Module module_;
  torch::jit::Code code_;  ///< (module, images) to logits, run operator by operator
};

}  // namespace pulmo
