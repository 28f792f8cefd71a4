#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/support/bytes.h"
#include "core/support/zip_archive.h"

namespace pulmo::serving {

/// What a zip upload may hold. All is judged by the archive's directory, before anything is unpacked.
struct ZipUploadLimits {
  std::uint64_t entries = 4096;                                 ///< files in it
  std::uint64_t entry_bytes = std::uint64_t{64} * 1024 * 1024;  ///< one file, unpacked
  std::uint64_t total_bytes = std::uint64_t{1} << 30U;          ///< all of them, unpacked
  std::uint64_t ratio = 100;                                    ///< of unpacked to packed, from 16 MiB on
};

/// The pictures of a zip that a client sent, unpacked one by one when they are wanted, never all and never to disk.
/// Thread-safe.
class ZipUpload {
 public:
  struct Member {
    std::string name;  ///< as the archive has it; shown back to the client, never logged
    std::uint64_t index = 0;
  };

  /// Throws InvalidInput: corrupt_zip, encrypted_zip, zip_bomb (over the limits), nested_zip, no_picture (no file in it
  /// begins as PNG, JPEG or DICOM do).
  ZipUpload(Bytes bytes, const ZipUploadLimits& limits);

  /// In the archive's order.
  const std::vector<Member>& pictures() const { return pictures_; }
  /// Files in it that are none.
  std::size_t skipped() const { return skipped_; }
  /// Unpacks one. Throws InvalidInput: corrupt_zip, zip_bomb (it holds more than it declares).
  Bytes read(std::uint64_t index);

 private:
  void choose(ZipArchive& archive, const ZipUploadLimits& limits);
  std::unique_ptr<ZipArchive> borrow();

  const Bytes bytes_;
  ZipLimits limits_;
  std::vector<Member> pictures_;
  std::size_t skipped_ = 0;
  std::mutex mutex_;
  std::vector<std::unique_ptr<ZipArchive>> idle_;  ///< libzip's handles serve one thread each
};

/// Whether the bytes begin as a zip archive does.
bool looks_like_zip(ByteView bytes);

}  // namespace pulmo::serving
