#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pulmo {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;

/// Reads a whole file. Throws IoError when it cannot be read, InvalidInput("too_large") when it holds more than
/// `max_bytes`.
Bytes read_file(const std::filesystem::path& path, std::uint64_t max_bytes = std::uint64_t{4} << 30U);

/// The same, as text.
std::string read_text_file(const std::filesystem::path& path, std::uint64_t max_bytes = std::uint64_t{1} << 30U);

inline ByteView as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace pulmo
