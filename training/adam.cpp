#include "training/adam.h"

#include <ATen/Parallel.h>
#include <torch/utils.h>

#include <cmath>
#include <stdexcept>

#include "core/support/error.h"
#include "training/adam_kernel.h"

#ifndef _OPENMP
#error "at::parallel_for would use one thread: name this file in pulmo_parallel_sources()"
#endif

namespace pulmo::training {
namespace {

constexpr std::int64_t kGrain = 1 << 15;  // weights in one piece of work: 0.5 MB of traffic

// Strides along dimensions of one element mean nothing.
bool same_layout(const torch::Tensor& a, const torch::Tensor& b) {
  if (a.sizes() != b.sizes()) return false;
  for (std::int64_t d = 0; d < a.dim(); ++d) {
    if (a.size(d) > 1 && a.stride(d) != b.stride(d)) return false;
  }
  return true;
}

std::uint16_t* bits_of(const torch::Tensor& tensor) {
  return reinterpret_cast<std::uint16_t*>(tensor.data_ptr<at::BFloat16>());
}

}  // namespace

void adam_update_plain(torch::Tensor& master, const torch::Tensor& first, const torch::Tensor& second,
                       const torch::Tensor& gradient, torch::Tensor& parameter, const AdamStep& step) {
  const torch::NoGradGuard no_gradient;
  const torch::Tensor g = gradient.to(master.scalar_type());
  first.mul_(step.beta1).add_(g, 1.0 - step.beta1);
  second.mul_(step.beta2).addcmul_(g, g, 1.0 - step.beta2);
  const torch::Tensor root = second.sqrt().mul_(step.root_scale).add_(step.epsilon);
  master.mul_(step.keep).addcdiv_(first, root, -step.rate);
  if (parameter.scalar_type() != master.scalar_type()) parameter.copy_(master);
}

Adam::Adam(Weights& weights, const AdamOptions& options, std::vector<LearningPace> paces)
    : weights_(weights), options_(options), paces_(std::move(paces)) {
  paces_.resize(weights.masters().size());
  for (const torch::Tensor& master : weights.masters()) {
    first_.push_back(torch::zeros_like(master));
    second_.push_back(torch::zeros_like(master));
  }
}

void Adam::step(const std::vector<torch::Tensor>& gradients, double learning_rate) {
  ++steps_;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i].defined()) update(i, gradients[i], numbers_of(paces_[i], learning_rate));
  }
}

AdamStep Adam::numbers_of(const LearningPace& pace, double learning_rate) const {
  const double t = static_cast<double>(steps_ - pace.since_step);
  const double rate = learning_rate * pace.rate_scale;
  AdamStep step{options_.beta1, options_.beta2, options_.epsilon, 0.0, 0.0, 0.0};
  step.rate = rate / (1.0 - std::pow(options_.beta1, t));
  step.root_scale = 1.0 / std::sqrt(1.0 - std::pow(options_.beta2, t));
  step.keep = 1.0 - rate * options_.weight_decay;
  return step;
}

void Adam::update(std::size_t index, const torch::Tensor& gradient, const AdamStep& step) {
  torch::Tensor& master = weights_.masters()[index];
  torch::Tensor& parameter = weights_.parameters()[index];
  const torch::Tensor &first = first_[index], &second = second_[index];
  if (!same_layout(gradient, master)) {
    throw std::logic_error("gradient of " + weights_.names()[index] + " is not laid out like its weight");
  }
  if (!master.is_cpu()) {
    adam_update_plain(master, first, second, gradient, parameter, step);
    return;
  }
  at::parallel_for(0, master.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t n = end - begin;
    if (master.scalar_type() == torch::kFloat64) {
      adam_update(master.data_ptr<double>() + begin, first.data_ptr<double>() + begin,
                  second.data_ptr<double>() + begin, gradient.data_ptr<double>() + begin, n, step);
      return;
    }
    float* weights = master.data_ptr<float>() + begin;
    float* m = first.data_ptr<float>() + begin;
    float* v = second.data_ptr<float>() + begin;
    if (weights_.type() != torch::kBFloat16) {
      adam_update(weights, m, v, gradient.data_ptr<float>() + begin, n, step);
    } else if (gradient.scalar_type() == torch::kBFloat16) {
      adam_update_bf16(weights, m, v, bits_of(gradient) + begin, bits_of(parameter) + begin, n, step);
    } else {
      adam_update_bf16(weights, m, v, gradient.data_ptr<float>() + begin, bits_of(parameter) + begin, n, step);
    }
  });
}

NamedTensors Adam::moments() const {
  NamedTensors all;
  for (std::size_t i = 0; i < first_.size(); ++i) {
    all.emplace_back("first." + weights_.names()[i], first_[i]);
    all.emplace_back("second." + weights_.names()[i], second_[i]);
  }
  return all;
}

void Adam::restore(const NamedTensors& moments, std::int64_t steps) {
  const NamedTensors mine = this->moments();
  if (moments.size() != mine.size()) throw InvalidInput("weights", "the optimiser state is of another network");
  for (std::size_t i = 0; i < mine.size(); ++i) {
    if (mine[i].first != moments[i].first || mine[i].second.sizes() != moments[i].second.sizes()) {
      throw InvalidInput("weights", "the optimiser state is of another network: " + moments[i].first);
    }
    mine[i].second.copy_(moments[i].second);
  }
  steps_ = steps;
}

}  // namespace pulmo::training
