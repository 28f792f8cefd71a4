#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>

namespace pulmo {

/// A 2D convolution with stride 1: weight (out, in, kernel, kernel), bias (out).
class ConvLayer : public torch::nn::Module {
 public:
  ConvLayer(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t padding);
  /// relu(maxpool2x2(convolution)): (N, in, H, W) to (N, out, H'/2, W'/2); see pool_relu.h.
  torch::Tensor forward_pool_relu(const torch::Tensor& images) const;

 private:
  torch::Tensor weight_;
  torch::Tensor bias_;
  std::int64_t padding_;
};

/// A dense layer: weight (out, in), bias (out).
class DenseLayer : public torch::nn::Module {
 public:
  DenseLayer(std::int64_t in, std::int64_t out);
  /// (N, in) to (N, out).
  torch::Tensor forward(const torch::Tensor& values) const;

 private:
  torch::Tensor weight_;
  torch::Tensor bias_;
};

/// The same images laid out channels-last, in which CPU convolutions are quickest. One channel costs no copy: its
/// layout is both, and only the strides are told apart.
torch::Tensor to_channels_last(const torch::Tensor& images);

/// PyTorch's default for convolutions and dense layers (nn.Linear: He 2015 with a = sqrt(5)): every parameter of two or
/// more dimensions uniform in +-1 / sqrt(fan_in), every other one 0. The wider +-sqrt(6 / fan_in) starts at a loss of 3
/// and, at Adam's rate of 0.001, drives the 100,352 inputs of the first dense layer into dead ReLUs. A pure function of
/// the seed and the parameter's name, the same on every platform and number of threads.
void initialise(torch::nn::Module& module, std::uint64_t seed);

}  // namespace pulmo
