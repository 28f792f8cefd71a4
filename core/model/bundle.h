#pragma once

#include <torch/script.h>

#include <filesystem>
#include <string>

#include "core/model/bundle_metadata.h"
#include "core/model/network.h"

namespace pulmo {

/// A model as it is served: module(input) gives logits (N,K); probabilities are softmax(logits / temperature).
struct Bundle {
  torch::jit::Module module;
  BundleMetadata metadata;
  std::string sha256;  ///< of the file
};

/// The TorchScript twin of a network: same parameters (copied, float32), forward from script().
torch::jit::Module to_torchscript(const Network& network);

/// Writes `module` with the metadata, atomically. `created` and `pulmo_version` are filled in. Throws IoError.
void save_bundle(const std::filesystem::path& path, const torch::jit::Module& module, BundleMetadata metadata);

/// A file that pulmo-train wrote, or a TorchScript file made elsewhere with its FILE.yaml (foreign_metadata.h).
/// Throws IoError, or InvalidInput("bundle") naming the file: not TorchScript, no metadata, newer version (says which
/// version the file has and which this program reads), classes or spec missing.
Bundle load_bundle(const std::filesystem::path& path);

}  // namespace pulmo
