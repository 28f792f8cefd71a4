#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>

namespace pulmo {

/// A file that appears under its name whole or not at all. Write to temp_path() by any means, then commit(): fsync,
/// rename, fsync of the folder. Without commit() the destructor removes the temporary file. One thread at a time.
class AtomicFile {
 public:
  /// Throws IoError when the target's folder does not exist or cannot be written.
  explicit AtomicFile(std::filesystem::path target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// `target.tmp-PID-N`, in the target's folder. It exists and is empty.
  const std::filesystem::path& temp_path() const { return temp_; }
  /// Has the system begin to write to disk what is in the file: commit() will wait the less.
  void begin_flush() const noexcept;
  /// Throws IoError; the target is then as it was, or the new one where only its folder could not be flushed to disk.
  void commit();

 private:
  std::filesystem::path target_;
  std::filesystem::path temp_;
  bool committed_ = false;
};

/// Throws IoError as AtomicFile::commit() does.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

/// Creates the folder (and its parents) and proves that a file can be made in it; clears what a process killed while
/// doing so left there. Throws IoError naming the folder.
void make_writable_directory(const std::filesystem::path& directory);

/// Removes what killed processes left of the folder's files of these names: half-written, under temporary ones. What
/// another process is writing goes likewise. Throws IoError when the folder or a file in it does not permit that.
void remove_abandoned(const std::filesystem::path& directory, const std::set<std::string>& names);

}  // namespace pulmo
