#include "training/gradient_sync.h"

#include <ATen/ops/mm.h>
#include <torch/utils.h>

#include "training/mpi_sync.h"

namespace pulmo::training {
namespace {

constexpr std::int64_t kFactorMargin = 4;

class LocalSync final : public GradientSync {
 public:
  void begin(const std::vector<torch::Tensor>& parameters) override { parameters_ = parameters; }

  std::vector<torch::Tensor> finish() override {
    std::vector<torch::Tensor> gradients;
    for (const torch::Tensor& parameter : parameters_) gradients.push_back(gradient_or_zero(parameter));
    return gradients;
  }

  torch::Tensor product(const torch::Tensor& output_gradient, const torch::Tensor& input) override {
    return at::mm(output_gradient.t(), input);
  }

 private:
  std::vector<torch::Tensor> parameters_;
};

}  // namespace

torch::Tensor gradient_or_zero(const torch::Tensor& parameter) {
  const torch::Tensor gradient = parameter.grad();
  return gradient.defined() ? gradient : torch::zeros_like(parameter);
}

std::unique_ptr<GradientSync> make_local_sync() {
  return std::make_unique<LocalSync>();
}

std::unique_ptr<GradientSync> make_mpi_sync(const Communicator& communicator, ExchangeType type, bool overlap) {
  return std::make_unique<MpiSync>(communicator, type, overlap);
}

bool factors_are_cheaper(std::int64_t out, std::int64_t in, std::int64_t global_batch) {
  return kFactorMargin * global_batch * (out + in) < 2 * out * in;
}

}  // namespace pulmo::training
