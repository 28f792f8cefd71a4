#include "core/model/differentiable.h"

#include <ATen/ops/zeros.h>

#include <cstring>

namespace pulmo {

std::vector<c10::IValue> run_operators(const torch::jit::Code& code, const torch::jit::Module& module,
                                       const torch::Tensor& image) {
  torch::jit::Stack stack{module._ivalue(), image};
  torch::jit::InterpreterState(code).run(stack);
  return stack;
}

torch::Tensor blank_images(const BundleMetadata& metadata, std::int64_t count) {
  const std::int64_t size = metadata.spec.size_px;
  if (metadata.depth > 0) return at::zeros({count, metadata.channels, metadata.depth, size, size});
  return at::zeros({count, metadata.channels, size, size});
}

cv::Mat picture_of(const torch::Tensor& map) {
  const torch::Tensor values = map.to(at::kCPU, at::kFloat).contiguous();
  cv::Mat picture(static_cast<int>(values.size(0)), static_cast<int>(values.size(1)), CV_32FC1);
  std::memcpy(picture.data, values.data_ptr<float>(), static_cast<std::size_t>(values.numel()) * sizeof(float));
  return picture;
}

}  // namespace pulmo
