#include "core/model/weights.h"

#include <algorithm>

#include "core/model/backbone.h"
#include "core/model/bundle.h"
#include "core/model/weights_formats.h"
#include "core/support/error.h"

namespace pulmo {

void refuse_weights(const std::string& file, const std::string& why) {
  throw InvalidInput("weights", "weights " + file + ": " + why);
}

namespace {

/// A TorchScript file is a zip archive of torch.save() with one more member, which its directory, at the end, names.
bool is_torchscript(std::string_view archive) {
  constexpr std::size_t kDirectory = 1 << 20;
  return archive.substr(archive.size() - std::min(archive.size(), kDirectory)).find("/constants.pkl") !=
         std::string_view::npos;
}

Weights weights_of_bundle(const std::filesystem::path& path) {
  const Bundle bundle = load_bundle(path);
  Weights weights;
  for (const auto& item : bundle.module.named_parameters()) {
    weights.tensors.emplace(torchvision_name(item.name), item.value.detach());
  }
  for (const auto& item : bundle.module.named_buffers()) {
    weights.tensors.emplace(torchvision_name(item.name), item.value);
  }
  return weights;
}

}  // namespace

Weights read_weights(const std::filesystem::path& path) {
  const Bytes bytes = read_file(path);
  const std::string_view text = as_text(bytes);
  if (text.starts_with("PK\x03\x04") && is_torchscript(text)) return weights_of_bundle(path);
  if (text.starts_with("PK\x03\x04")) return parse_torch_archive(bytes, path.string());
  if (text.size() > 8 && text[8] == '{') return parse_safetensors(bytes, path.string());
  if (text.starts_with("\x80\x02")) {
    refuse_weights(path.string(), "torch.save()'s form of before PyTorch 1.6; load and save it again with a newer one");
  }
  refuse_weights(path.string(), "neither safetensors nor a file of torch.save() nor a bundle");
}

}  // namespace pulmo
