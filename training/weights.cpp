#include "training/weights.h"

#include <torch/utils.h>

#include "core/model/torch_device.h"
#include "core/support/error.h"

namespace pulmo::training {
namespace {

torch::ScalarType scalar_type(Precision precision) {
  switch (precision) {
    case Precision::kBf16: return torch::kBFloat16;
    case Precision::kFp64: return torch::kFloat64;
    default: return torch::kFloat32;
  }
}

}  // namespace

Weights::Weights(std::shared_ptr<Network> network, Precision precision, Device device)
    : network_(std::move(network)), type_(scalar_type(precision)), device_(torch_device(device)) {
  const torch::NoGradGuard no_gradient;
  std::vector<torch::Tensor> exact;
  for (const auto& parameter : network_->named_parameters()) {
    names_.push_back(parameter.key());
    exact.push_back(parameter.value().detach().clone());
    learnable_.push_back(parameter.value().requires_grad());
  }
  active_ = learnable_;
  network_->to(device_, type_);
  parameters_ = network_->parameters();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    masters_.push_back(type_ == torch::kBFloat16 ? exact[i].to(device_) : parameters_[i].detach());
  }
}

void Weights::set_active(const std::vector<bool>& active) {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    active_[i] = active[i] && learnable_[i];
    parameters_[i].requires_grad_(active_[i]);
  }
}

NamedTensors Weights::snapshot() const {
  return named_copies(masters_);
}

NamedTensors Weights::named_copies(const std::vector<torch::Tensor>& tensors) const {
  NamedTensors copies;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    copies.emplace_back(names_[i], tensors[i].to(torch::kCPU, tensors[i].scalar_type(), false, true));
  }
  return copies;
}

void Weights::swap(std::vector<torch::Tensor>& values) {
  const torch::NoGradGuard no_gradient;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const torch::Tensor mine = masters_[i].clone();
    masters_[i].copy_(values[i]);
    values[i].copy_(mine);
    if (type_ == torch::kBFloat16) parameters_[i].copy_(masters_[i]);
  }
}

void Weights::restore(const NamedTensors& snapshot) {
  const torch::NoGradGuard no_gradient;
  if (snapshot.size() != names_.size()) throw InvalidInput("weights", "the weights are of another network");
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const auto& [name, value] = snapshot[i];
    if (name != names_[i] || value.sizes() != masters_[i].sizes()) {
      throw InvalidInput("weights", "the weights are of another network: " + name + " does not fit " + names_[i]);
    }
    masters_[i].copy_(value);
    if (type_ == torch::kBFloat16) parameters_[i].copy_(value);
  }
}

std::shared_ptr<Network> network_with(const NetworkOptions& options, const NamedTensors& weights) {
  std::shared_ptr<Network> network = make_network(options);
  Weights(network, Precision::kFp32).restore(weights);
  return network;
}

}  // namespace pulmo::training
