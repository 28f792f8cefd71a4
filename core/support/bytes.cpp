#include "core/support/bytes.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "core/support/error.h"

namespace pulmo {
namespace {

template <typename Container>
Container read_into(const std::filesystem::path& path, std::uint64_t max_bytes) {
  std::error_code status;
  const auto size = std::filesystem::file_size(path, status);
  if (status) throw IoError("cannot read " + path.string() + ": " + status.message());
  if (size > max_bytes) {
    throw InvalidInput("too_large", path.string() + " has " + std::to_string(size) + " bytes; at most " +
                                        std::to_string(max_bytes) + " are accepted");
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) throw IoError("cannot open " + path.string() + ": " + std::strerror(errno));
  Container content(size, typename Container::value_type{});
  file.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(size));
  if (file.gcount() != static_cast<std::streamsize>(size)) {
    throw IoError("short read of " + path.string() + ": " + std::to_string(file.gcount()) + " of " +
                  std::to_string(size) + " bytes");
  }
  return content;
}

}  // namespace

Bytes read_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  return read_into<Bytes>(path, max_bytes);
}

std::string read_text_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  return read_into<std::string>(path, max_bytes);
}

}  // namespace pulmo
