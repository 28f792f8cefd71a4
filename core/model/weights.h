#pragma once

#include <torch/types.h>

#include <filesystem>
#include <map>
#include <string>

namespace pulmo {

/// Weights read from a file: tensors by name, on the CPU, owning their memory.
struct Weights {
  std::map<std::string, torch::Tensor> tensors;
  std::map<std::string, std::string> notes;  ///< what the file says of itself (safetensors' __metadata__)
};

/// Reads pretrained weights, telling the format by content: `.safetensors`, or a `.pth` that torch.save() wrote of a
/// state_dict (a mapping of names to tensors; also one under the key "state_dict", as training scripts save it), or a
/// bundle, whose tensors are called what torchvision calls them. Nothing in the file is executed: of the pickle in a
/// .pth only what describes tensors is understood.
/// Throws IoError, InvalidInput("weights") naming the file and what is wrong, or as load_bundle().
Weights read_weights(const std::filesystem::path& path);

}  // namespace pulmo
