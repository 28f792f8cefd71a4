#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "tests/fuzz/picture_fuzz.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

constexpr std::size_t kMarkBytes = 8;
constexpr std::size_t kFrameBytes = 12;  // of a chunk: length, type, CRC

std::uint32_t big_endian(const std::uint8_t* bytes) {
  return (std::uint32_t{bytes[0]} << 24U) | (std::uint32_t{bytes[1]} << 16U) | (std::uint32_t{bytes[2]} << 8U) |
         bytes[3];
}

/// Rights the checksum of every chunk that is whole: a decoder sees nothing of the others.
void mend_checksums(std::uint8_t* data, std::size_t size) {
  std::size_t at = kMarkBytes;
  while (at + kFrameBytes <= size) {
    const std::size_t length = big_endian(data + at);
    if (length > size - at - kFrameBytes) return;
    const auto checksum = static_cast<std::uint32_t>(::crc32(0, data + at + 4, static_cast<unsigned>(length + 4)));
    for (unsigned i = 0; i < 4; ++i) data[at + 8 + length + i] = static_cast<std::uint8_t>(checksum >> (24U - 8U * i));
    at += length + kFrameBytes;
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned int seed) {
  const std::size_t grown = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 8 != 0) mend_checksums(data, grown);
  return grown;
}

/// PNG, its checksums mostly right so that the pixels are reached.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pulmo::fuzz::decode_and_preprocess(std::as_bytes(std::span(data, size)));
  return 0;
}
