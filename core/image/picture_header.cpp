#include "core/image/picture_header.h"

#include <zlib.h>

#include <cstddef>
#include <string_view>

namespace pulmo {
namespace {

std::uint32_t big_endian(ByteView bytes, std::size_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    value = (value << 8U) | std::to_integer<std::uint32_t>(bytes[at + i]);
  }
  return value;
}

bool is_frame_header(std::uint32_t marker) {
  const bool sof = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
  return sof || marker == 0xF7;  // SOF55 of JPEG-LS
}

bool stands_alone(std::uint32_t marker) {
  return marker >= 0xD0 && marker <= 0xD8;  // restarts, start of image
}

// The position of the next marker at or behind `at`. In coded data FF is followed by 00 (JPEG) or by a byte below 80
// (JPEG-LS, T.87 A.1); the markers of both begin at C0.
std::size_t next_marker(ByteView bytes, std::size_t at) {
  for (; at + 1 < bytes.size(); ++at) {
    if (bytes[at] == std::byte{0xFF} && bytes[at + 1] >= std::byte{0xC0} && bytes[at + 1] != std::byte{0xFF}) {
      return at;
    }
  }
  return bytes.size();
}

constexpr std::ptrdiff_t kPngSignatureBytes = 8;
constexpr std::size_t kChunkBytes = 12;  // length, type, CRC

struct Chunk {
  std::string_view type;
  ByteView whole;
};

// The chunk at `at`, which moves behind it. nullopt when it is not all there or its CRC is wrong.
std::optional<Chunk> next_chunk(ByteView bytes, std::size_t& at) {
  if (bytes.size() - at < kChunkBytes) {
    return std::nullopt;
  }
  const std::size_t length = big_endian(bytes, at, 4);
  if (length > bytes.size() - at - kChunkBytes) {
    return std::nullopt;
  }
  const ByteView checked = bytes.subspan(at + 4, length + 4);
  const uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(checked.data()), checked.size());
  if (crc != big_endian(bytes, at + 8 + length, 4)) {
    return std::nullopt;
  }
  const Chunk chunk{as_text(checked.first(4)), bytes.subspan(at, length + kChunkBytes)};
  at += chunk.whole.size();
  return chunk;
}

}  // namespace

std::optional<PictureHeader> read_png_header(ByteView bytes) {
  if (bytes.size() < kPngSignatureBytes + kChunkBytes + 13 || as_text(bytes.subspan(12, 4)) != "IHDR") {
    return std::nullopt;
  }
  PictureHeader header;
  header.width = big_endian(bytes, 16, 4);
  header.height = big_endian(bytes, 20, 4);
  header.bits = static_cast<int>(big_endian(bytes, 24, 1));
  std::size_t at = kPngSignatureBytes;
  while (const std::optional<Chunk> chunk = next_chunk(bytes, at)) {
    if (chunk->type == "IEND") {
      header.complete = true;
      break;
    }
  }
  return header;
}

Bytes essential_png(ByteView bytes) {
  Bytes result(bytes.begin(), bytes.begin() + kPngSignatureBytes);
  std::size_t at = kPngSignatureBytes;
  while (const std::optional<Chunk> chunk = next_chunk(bytes, at)) {
    if (chunk->type == "IHDR" || chunk->type == "PLTE" || chunk->type == "IDAT" || chunk->type == "IEND") {
      result.insert(result.end(), chunk->whole.begin(), chunk->whole.end());
    }
  }
  return result;
}

std::optional<PictureHeader> read_jpeg_header(ByteView bytes) {
  PictureHeader header;
  header.scans = 0;
  bool found = false;
  std::size_t at = next_marker(bytes, 0);
  while (at + 1 < bytes.size()) {
    const auto marker = std::to_integer<std::uint32_t>(bytes[at + 1]);
    at += 2;
    if (marker == 0xD9) {
      header.complete = true;
      break;
    }
    if (!stands_alone(marker)) {
      if (bytes.size() - at < 2) {
        break;
      }
      const std::size_t length = big_endian(bytes, at, 2);
      if (length < 2 || length > bytes.size() - at) {
        break;
      }
      if (is_frame_header(marker) && length >= 8 && !found) {
        found = true;
        header.bits = static_cast<int>(big_endian(bytes, at + 2, 1));
        header.height = big_endian(bytes, at + 3, 2);
        header.width = big_endian(bytes, at + 5, 2);
        header.channels = static_cast<int>(big_endian(bytes, at + 7, 1));
      }
      header.scans += marker == 0xDA ? 1 : 0;
      at += length;
    }
    at = next_marker(bytes, at);
  }
  return found ? std::optional(header) : std::nullopt;
}

}  // namespace pulmo
