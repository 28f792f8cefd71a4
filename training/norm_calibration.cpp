#include "training/norm_calibration.h"

#include <torch/types.h>

#include <algorithm>
#include <cstring>

namespace pulmo::training {
namespace {

constexpr std::int64_t kImages = 64;

/// (N,C,H,W) or (N,C,D,H,W) in [0, 1].
torch::Tensor spread_images(const Dataset& train) {
  const SampleShape& shape = train.shape();
  const std::int64_t count = std::min(kImages, train.size());
  std::vector<std::int64_t> sizes = {count, shape.channels, shape.height, shape.width};
  if (shape.depth > 0) sizes.insert(sizes.begin() + 2, shape.depth);
  torch::Tensor images = torch::empty(sizes, torch::kFloat32);
  std::vector<std::uint16_t> pixels(static_cast<std::size_t>(shape.elements()));
  for (std::int64_t i = 0; i < count; ++i) {
    train.read_image(i * train.size() / count, pixels);
    std::transform(pixels.begin(), pixels.end(), images.data_ptr<float>() + i * shape.elements(),
                   [](std::uint16_t pixel) { return static_cast<float>(pixel) / 65535.0F; });
  }
  return images;
}

/// What a network does not learn, in order.
std::vector<std::byte> fixed_values(const Network& network) {
  std::vector<std::byte> bytes;
  for (const torch::Tensor& parameter : network.parameters()) {
    if (parameter.requires_grad()) continue;
    const torch::Tensor values = parameter.contiguous();
    const auto old = bytes.size();
    bytes.resize(old + values.nbytes());
    std::memcpy(bytes.data() + old, values.data_ptr(), values.nbytes());
  }
  return bytes;
}

}  // namespace

void calibrate_first_weights(Weights& weights, const NetworkOptions& options, const Dataset& train, bool pretrained,
                             const Communicator& communicator) {
  const std::vector<bool>& learnable = weights.learnable();
  if (std::find(learnable.begin(), learnable.end(), false) == learnable.end()) return;  // nothing is fixed
  std::vector<std::byte> bytes;
  communicator.together([&] {
    if (!communicator.is_root()) return;
    const auto network = network_with(options, weights.snapshot());
    if (calibrate_norms(*network, spread_images(train), pretrained)) bytes = fixed_values(*network);
  });
  communicator.broadcast(bytes);
  if (bytes.empty()) return;
  NamedTensors values = weights.snapshot();
  const std::byte* next = bytes.data();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (learnable[i]) continue;
    const torch::Tensor fixed = torch::empty(values[i].second.sizes(), torch::kFloat32);
    std::memcpy(fixed.data_ptr(), next, fixed.nbytes());
    next += fixed.nbytes();
    values[i].second = fixed;
  }
  weights.restore(values);
}

}  // namespace pulmo::training
