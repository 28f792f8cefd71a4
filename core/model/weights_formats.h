#pragma once

#include <string>

#include "core/model/weights.h"
#include "core/support/bytes.h"

namespace pulmo {

/// The two formats of read_weights(). `file` stands for the path in messages. Both throw InvalidInput("weights").
/// safetensors: 8 bytes little-endian length, a JSON header, then the tensors' bytes
/// (https://huggingface.co/docs/safetensors).
Weights parse_safetensors(ByteView bytes, const std::string& file);
/// The zip form of torch.save() (PyTorch 1.6 and later): a pickle and one member a storage.
Weights parse_torch_archive(ByteView bytes, const std::string& file);

/// "weights FILE: why".
[[noreturn]] void refuse_weights(const std::string& file, const std::string& why);

}  // namespace pulmo
