#pragma once

#include <torch/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/model/device.h"
#include "core/model/network.h"
#include "training/options.h"

namespace pulmo::training {

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

/// The weights under training: those the network computes with, and the master copies that the optimiser updates.
/// They are the same tensors in fp32 and fp64; in bf16 the masters are float32 and the network holds roundings of them.
class Weights {
 public:
  /// Takes a float32 network and converts it to the precision, which must not be kAuto, on the device. The network is
  /// shared.
  Weights(std::shared_ptr<Network> network, Precision precision, Device device = {});

  Network& network() { return *network_; }
  const Network& network() const { return *network_; }
  torch::ScalarType type() const { return type_; }
  torch::Device device() const { return device_; }
  /// In the order of the network's named_parameters(); the same order below.
  const std::vector<std::string>& names() const { return names_; }
  std::vector<torch::Tensor>& parameters() { return parameters_; }
  std::vector<torch::Tensor>& masters() { return masters_; }

  /// Which weights learn at present: the others get no gradient, are not exchanged and not updated. At first all do
  /// that the network lets learn; what it fixes (a pretrained network's statistics) never does.
  const std::vector<bool>& active() const { return active_; }
  void set_active(const std::vector<bool>& active);
  const std::vector<bool>& learnable() const { return learnable_; }

  /// Copies of the masters on the processor, by name.
  NamedTensors snapshot() const;
  /// Copies of these tensors, one a weight, on the processor, by the weights' names.
  NamedTensors named_copies(const std::vector<torch::Tensor>& tensors) const;
  /// Swaps the masters' values with these, one a weight, and lets the network compute with what it then holds.
  void swap(std::vector<torch::Tensor>& values);
  /// Sets masters and parameters. Throws InvalidInput("weights") when names or shapes differ.
  void restore(const NamedTensors& snapshot);

 private:
  std::shared_ptr<Network> network_;
  torch::ScalarType type_;
  torch::Device device_;
  std::vector<std::string> names_;
  std::vector<torch::Tensor> parameters_;
  std::vector<torch::Tensor> masters_;
  std::vector<bool> learnable_;
  std::vector<bool> active_;
};

/// A fresh float32 network with these weights, as it is exported. Throws as Weights::restore().
std::shared_ptr<Network> network_with(const NetworkOptions& options, const NamedTensors& weights);

}  // namespace pulmo::training
