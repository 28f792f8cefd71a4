#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace pulmo {

/// A convolution of images or volumes: weight (out, in, *kernel), bias (out) or none.
class Convolution : public torch::nn::Module {
 public:
  struct Shape {
    std::vector<std::int64_t> weight;
    std::vector<std::int64_t> stride, padding;  ///< of each side of the kernel
    bool bias = true;
  };
  explicit Convolution(Shape shape);
  /// (N, in, ...) to (N, out, ...).
  torch::Tensor forward(const torch::Tensor& maps) const;
  /// From now on the weights stay as they are: what is made of them is kept, and results have no gradient.
  void freeze() { frozen_ = true; }

 protected:
  const Shape& shape() const { return shape_; }
  const torch::Tensor& weight() const { return weight_; }
  const torch::Tensor& bias() const { return bias_; }
  /// Whether results have a gradient.
  bool learns() const;
  /// Whether the panels do for these maps.
  bool takes_panels(const torch::Tensor& maps) const;
  /// Of winograd.h, made when they are first asked for.
  const torch::Tensor& panels() const;

 private:
  Shape shape_;
  torch::Tensor weight_;
  torch::Tensor bias_;
  bool frozen_ = false;
  mutable std::once_flag panels_made_;
  mutable torch::Tensor panels_;
};

/// A 2D convolution: weight (out, in, kernel, kernel), bias (out) unless the options say otherwise.
class ConvLayer : public Convolution {
 public:
  struct Options {
    std::int64_t padding = 0;
    std::int64_t stride = 1;
    bool bias = true;
  };
  ConvLayer(std::int64_t in, std::int64_t out, std::int64_t kernel, const Options& options);
  /// relu(maxpool2x2(convolution)): (N, in, H, W) to (N, out, H'/2, W'/2); see pool_relu.h. Needs stride 1 and a bias.
  torch::Tensor forward_pool_relu(const torch::Tensor& images) const;
};

/// Batch normalisation by the statistics of a pretrained network, which are not learnt any more: a sample's result does
/// not depend on its batch, nor on how batches are cut among ranks. weight and bias (C) are.
class FrozenNorm : public torch::nn::Module {
 public:
  explicit FrozenNorm(std::int64_t channels);
  /// (N, channels, ...) to the same shape.
  torch::Tensor forward(const torch::Tensor& maps) const;
  /// relu(forward(pieces side by side)), without laying them so; see norm_relu.h.
  torch::Tensor forward_relu(at::TensorList pieces) const;
  torch::Tensor forward_relu(const torch::Tensor& maps) const { return forward_relu(at::TensorList(maps)); }
  /// relu(forward(maps) + added).
  torch::Tensor forward_add_relu(const torch::Tensor& maps, const torch::Tensor& added) const;
  /// The same as forward() in TorchScript, of the expression `input`; `name` is that of this layer.
  static std::string script(const std::string& name, const std::string& input);
  /// Weight 1, bias 0.
  void set_to_identity();
  /// While measuring, forward() first takes over the mean and variance of each channel of its maps.
  void measure(bool measuring) { measuring_ = measuring; }

  static constexpr double kEpsilon = 1e-5;  // torchvision's

 private:
  void take_statistics(const torch::Tensor& maps) const;

  torch::Tensor weight_, bias_, mean_, variance_;
  bool measuring_ = false;
};

/// A dense layer: weight (out, in), bias (out).
class DenseLayer : public torch::nn::Module {
 public:
  /// What the weight's gradient is the product of: output_gradient (N, out) transposed times input (N, in).
  struct Factors {
    torch::Tensor output_gradient;
    torch::Tensor input;
  };

  DenseLayer(std::int64_t in, std::int64_t out);
  /// (N, in) to (N, out).
  torch::Tensor forward(const torch::Tensor& values) const;
  /// Maps (N,C,H,W), C * H * W inputs in that order whatever the layout in memory, to (N, out).
  torch::Tensor forward_maps(const torch::Tensor& maps) const;
  /// From now on the weights stay as they are: what is made of them is kept, and results have no gradient.
  void freeze() { frozen_ = true; }

  const torch::Tensor& weight() const { return weight_; }
  /// From now on backward leaves the factors of the weight's gradient here instead of the gradient itself.
  void keep_factors() { factors_ = std::make_shared<Factors>(); }
  /// Of every backward since they were forgotten, one below the other; undefined tensors without one.
  const Factors& factors() const { return *factors_; }
  void forget_factors() { *factors_ = {}; }

 private:
  std::shared_ptr<Factors> factors_;  ///< null: the gradient is computed as usual
  torch::Tensor weight_;
  torch::Tensor bias_;
  bool frozen_ = false;
  mutable std::once_flag reordered_;
  mutable torch::Tensor weight_of_maps_;  ///< for inputs in the order H, W, C, of maps channels-last
};

/// The same images laid out channels-last, in which CPU convolutions are quickest. One channel costs no copy: its
/// layout is both, and only the strides are told apart.
torch::Tensor to_channels_last(const torch::Tensor& images);

/// PyTorch's default for convolutions and dense layers (nn.Linear: He 2015 with a = sqrt(5)): every parameter of two or
/// more dimensions uniform in +-1 / sqrt(fan_in), every other one 0. The wider +-sqrt(6 / fan_in) starts at a loss of 3
/// and, at Adam's rate of 0.001, drives the 100,352 inputs of the first dense layer into dead ReLUs. A pure function of
/// the seed and the parameter's name, the same on every platform and number of threads. Normalisations start as
/// identity; parameters that need no gradient keep their values.
void initialise(torch::nn::Module& module, std::uint64_t seed);

}  // namespace pulmo
