#pragma once

#include <cstdint>
#include <filesystem>
#include <list>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/support/bytes.h"
#include "core/support/zip_archive.h"

namespace pulmo::pipeline {

/// A file or zip entry that was not taken, and why. Reasons: nested_zip, encrypted_zip, corrupt_zip, zip_bomb,
/// unreadable.
struct Refusal {
  std::string name;
  std::string reason;
  std::string message;
};

/// One file of the input, on disk or inside a zip.
struct SourceEntry {
  static constexpr std::uint32_t kPlainFile = UINT32_MAX;

  std::string name;                ///< "folder/file.dcm" or "archive.zip!inner/file.dcm"
  std::uint32_t zip = kPlainFile;  ///< index into ByteSource::zips()
  std::uint64_t zip_index = 0;     ///< of the entry in that zip
  std::uint64_t size_bytes = 0;
};

/// All files below the given folders, zips and single files, in any nesting of folders; zips are looked into, nested
/// zips are refused. Links are followed, each folder once. Immutable, so thread-safe.
class ByteSource {
 public:
  /// Throws InvalidInput("no_input") for a path that does not exist.
  explicit ByteSource(const std::vector<std::filesystem::path>& inputs, const ZipLimits& limits = {});

  /// Sorted by name: the same whatever the file system's order.
  const std::vector<SourceEntry>& entries() const { return entries_; }
  const std::vector<Refusal>& refused() const { return refused_; }
  const std::vector<std::filesystem::path>& zips() const { return zips_; }
  const ZipLimits& limits() const { return limits_; }
  /// By name; nullptr when there is none.
  const SourceEntry* find(std::string_view name) const;

 private:
  using FolderIds = std::set<std::pair<std::uint64_t, std::uint64_t>>;

  void walk(const std::filesystem::path& path, FolderIds& visited);
  void add_file(const std::filesystem::path& path);
  void add_zip(const std::filesystem::path& path);

  ZipLimits limits_;
  std::vector<SourceEntry> entries_;
  std::vector<Refusal> refused_;
  std::vector<std::filesystem::path> zips_;
};

/// Reads entries of a ByteSource; keeps the few zips used last open. Not thread-safe: one per thread.
class ByteReader {
 public:
  /// `source` must outlive the reader.
  explicit ByteReader(const ByteSource& source) : source_(source) {}

  /// At most the first `max_bytes`. Throws IoError, or InvalidInput: zip_bomb, encrypted_zip, corrupt_zip, too_large.
  Bytes read(const SourceEntry& entry, std::uint64_t max_bytes = UINT64_MAX);

 private:
  static constexpr std::size_t kOpenArchives = 4;

  ZipArchive& archive(std::uint32_t zip);

  const ByteSource& source_;
  std::list<std::pair<std::uint32_t, ZipArchive>> open_;  // most recently used first
};

/// True for a path that ends in ".zip", in any case.
bool has_zip_name(std::string_view name);

}  // namespace pulmo::pipeline
