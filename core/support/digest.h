#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "core/support/bytes.h"

namespace pulmo {

/// Incremental SHA-256 (FIPS 180-4). Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(ByteView bytes);
  /// 64 lower-case hexadecimal digits. Call once; update() must not follow.
  std::string hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string sha256_hex(ByteView bytes);
inline std::string sha256_hex(std::string_view text) {
  return sha256_hex(as_bytes(text));
}
/// Throws IoError when the file cannot be read.
std::string sha256_file(const std::filesystem::path& path);

}  // namespace pulmo
