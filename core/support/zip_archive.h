#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/support/bytes.h"

namespace pulmo {

/// One file inside a zip.
struct ZipEntry {
  std::string name;  ///< path inside the archive, '/'-separated
  std::uint64_t index = 0;
  std::uint64_t size_bytes = 0;    ///< as the directory of the archive declares it
  std::uint64_t packed_bytes = 0;  ///< in the archive
  bool encrypted = false;
};

/// What one entry of an archive may cost. A deflate stream can expand 1032-fold; CT images expand 2 to 4-fold, blank
/// ones more, so the ratio is only held against entries large enough to hurt.
struct ZipLimits {
  std::uint64_t max_entry_bytes = std::uint64_t{1} << 30U;
  std::uint64_t max_entries = 5'000'000;
  std::uint64_t ratio_from_bytes = std::uint64_t{16} << 20U;
  std::uint64_t max_ratio = 100;
};

/// A zip read in place by libzip, from a file or from memory; nothing is unpacked to disk. Not thread-safe: one per
/// thread.
class ZipArchive {
 public:
  /// Throws InvalidInput("corrupt_zip") when it is no readable zip, InvalidInput("zip_bomb") when it holds more entries
  /// than the limits allow, IoError when the file cannot be opened.
  explicit ZipArchive(const std::filesystem::path& path, const ZipLimits& limits = {});
  /// Of an archive in memory, which must outlive it; `name` stands for it in messages. What has more entries than the
  /// limits allow is refused before libzip makes a list of them. Throws likewise.
  ZipArchive(ByteView bytes, std::string name, const ZipLimits& limits = {});
  ~ZipArchive();
  ZipArchive(ZipArchive&&) noexcept;
  ZipArchive& operator=(ZipArchive&&) noexcept;

  /// All files, folders left out, in archive order.
  std::vector<ZipEntry> entries() const;

  /// Index of the entry with this name. Throws InvalidInput("corrupt_zip") when there is none.
  std::uint64_t find(const std::string& name) const;

  /// The first `max_bytes` of an entry (all of it by default). Throws InvalidInput: zip_bomb (declared size, ratio or
  /// real size beyond the limits), encrypted_zip, corrupt_zip (checksum, truncated, unknown compression).
  Bytes read(std::uint64_t index, std::uint64_t max_bytes = UINT64_MAX);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Whether the bytes are a whole zip archive with at least one entry, each matching its CRC-32 and none larger than the
/// archive itself (as stored without compression). LibTorch reads its archives without this check, and would serve a
/// model with damaged weights.
bool is_intact_stored_zip(ByteView bytes);

}  // namespace pulmo
