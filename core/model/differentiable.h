#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/interpreter.h>
#include <torch/types.h>

#include <cstdint>
#include <opencv2/core/mat.hpp>
#include <vector>

#include "core/model/bundle_metadata.h"

namespace pulmo {

/// Runs `code`, which takes the module and an image, operator by operator: no fused operator stands between gradients
/// and the tensors on their way. What it leaves on the stack. Thread-safe.
std::vector<c10::IValue> run_operators(const torch::jit::Code& code, const torch::jit::Module& module,
                                       const torch::Tensor& image);

/// `count` images of 0 of the model's shape: (N,C,H,W), of volumes (N,C,D,H,W).
torch::Tensor blank_images(const BundleMetadata& metadata, std::int64_t count);

/// (H,W) float32 as CV_32FC1.
cv::Mat picture_of(const torch::Tensor& map);

}  // namespace pulmo
