#include "training/gradient_sync.h"

namespace pulmo::training {
namespace {

// Below this a message costs more by its start than by its length.
constexpr std::int64_t kBucketElements = 1 << 18;

class LocalSync final : public GradientSync {
 public:
  void add(const torch::Tensor& gradient) override {
    if (finished_) gradients_.clear();
    finished_ = false;
    gradients_.push_back(gradient);
  }
  const std::vector<torch::Tensor>& finish() override {
    finished_ = true;
    return gradients_;
  }

 private:
  std::vector<torch::Tensor> gradients_;
  bool finished_ = false;
};

class MpiSync final : public GradientSync {
 public:
  explicit MpiSync(const Communicator& communicator) : communicator_(communicator) {}

  void add(const torch::Tensor& gradient) override {
    if (finished_) gradients_.clear();
    finished_ = false;
    const bool half = gradient.scalar_type() == torch::kBFloat16;
    gradients_.push_back(half ? gradient.to(torch::kFloat32) : gradient);
  }

  const std::vector<torch::Tensor>& finish() override {
    const torch::NoGradGuard no_gradient;
    std::vector<torch::Tensor> bucket;
    std::int64_t filled = 0;
    for (torch::Tensor& gradient : gradients_) {
      if (gradient.numel() >= kBucketElements) {
        sum(gradient);
        continue;
      }
      bucket.push_back(gradient);
      filled += gradient.numel();
      if (filled < kBucketElements) continue;
      sum_bucket(bucket);
      bucket.clear();
      filled = 0;
    }
    if (!bucket.empty()) sum_bucket(bucket);
    finished_ = true;
    return gradients_;
  }

 private:
  // Gradients are dense: their memory is one run of numel() values, whatever their strides.
  static torch::Tensor flat(const torch::Tensor& tensor) { return tensor.as_strided({tensor.numel()}, {1}); }

  void sum(torch::Tensor& tensor) const {
    const auto count = static_cast<std::size_t>(tensor.numel());
    if (tensor.scalar_type() == torch::kFloat64) {
      communicator_.sum(std::span(tensor.data_ptr<double>(), count));
    } else {
      communicator_.sum(std::span(tensor.data_ptr<float>(), count));
    }
  }

  void sum_bucket(std::vector<torch::Tensor>& parts) const {
    std::vector<torch::Tensor> flats;
    for (const torch::Tensor& part : parts) flats.push_back(flat(part));
    torch::Tensor packed = torch::cat(flats);
    sum(packed);
    std::int64_t at = 0;
    for (torch::Tensor& part : flats) {
      part.copy_(packed.narrow(0, at, part.numel()));
      at += part.numel();
    }
  }

  const Communicator& communicator_;
  std::vector<torch::Tensor> gradients_;
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<GradientSync> make_local_sync() {
  return std::make_unique<LocalSync>();
}

std::unique_ptr<GradientSync> make_mpi_sync(const Communicator& communicator) {
  return std::make_unique<MpiSync>(communicator);
}

}  // namespace pulmo::training
