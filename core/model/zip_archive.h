#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/support/bytes.h"

struct zip;

namespace pulmo {

/// The members of a zip archive in memory, as PyTorch writes them. The bytes must outlive it. Not thread-safe.
class ZipArchive {
 public:
  /// Throws InvalidInput("archive") when the bytes are no zip archive.
  explicit ZipArchive(ByteView bytes);
  ~ZipArchive();
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;

  const std::vector<std::string>& names() const { return names_; }
  /// The content, compared with its CRC-32. Throws InvalidInput("archive") when there is no such member, it is damaged,
  /// or it is larger than the archive (PyTorch stores without compression, so that would be a bomb).
  Bytes read(const std::string& name) const;

 private:
  ByteView bytes_;
  zip* archive_ = nullptr;
  std::vector<std::string> names_;
};

/// Whether the bytes are a whole zip archive each of whose members matches its CRC-32. LibTorch reads its archives
/// without this check, and would serve a model with damaged weights.
bool is_intact_archive(ByteView bytes);

}  // namespace pulmo
