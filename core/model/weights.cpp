#include "core/model/weights.h"

#include "core/model/weights_formats.h"
#include "core/support/error.h"

namespace pulmo {

void refuse_weights(const std::string& file, const std::string& why) {
  throw InvalidInput("weights", "weights " + file + ": " + why);
}

Weights read_weights(const std::filesystem::path& path) {
  const Bytes bytes = read_file(path);
  const std::string_view text = as_text(bytes);
  if (text.starts_with("PK\x03\x04")) return parse_torch_archive(bytes, path.string());
  if (text.size() > 8 && text[8] == '{') return parse_safetensors(bytes, path.string());
  if (text.starts_with("\x80\x02")) {
    refuse_weights(path.string(), "torch.save()'s form of before PyTorch 1.6; load and save it again with a newer one");
  }
  refuse_weights(path.string(), "neither safetensors nor a file of torch.save()");
}

}  // namespace pulmo
