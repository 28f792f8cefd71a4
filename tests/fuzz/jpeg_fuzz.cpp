#include <vector>

#include "tests/fuzz/picture_fuzz.h"

/// JPEG: the mark of the format stands in front of whatever comes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> file{0xFF, 0xD8, 0xFF};
  const std::size_t skipped = size < file.size() ? size : file.size();
  file.insert(file.end(), data + skipped, data + size);
  pulmo::fuzz::decode_and_preprocess(std::as_bytes(std::span(file)));
  return 0;
}
