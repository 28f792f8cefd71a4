#pragma once

#include <filesystem>
#include <string>

namespace pulmo::pipeline {

/// The folder that a run writes to: keeps runs of different configurations apart, and two processes out of each other's
/// way. While a run is unfinished its state lies in DIR/.pulmo-prepare.
class OutputFolder {
 public:
  /// Creates the folder and takes the lock `lock_name`. Throws IoError when it cannot be written or another process
  /// holds the lock.
  OutputFolder(std::filesystem::path directory, const std::string& lock_name);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  /// Makes sure that what lies there is nothing, or of the same fingerprint. True: the run was finished before. Throws
  /// InvalidInput("output") for a prepared folder, or an unfinished one, of another fingerprint; with `force` it is
  /// removed instead (manifest, report, split, shards and state; other files are left alone).
  bool claim(const std::string& fingerprint, bool force);

  const std::filesystem::path& directory() const { return directory_; }
  std::filesystem::path state() const { return directory_ / kStateFolder; }
  /// Removes the state of a finished run.
  void clear_state();
  /// Removes all that a run made.
  void discard();

  static constexpr const char* kStateFolder = ".pulmo-prepare";

 private:
  std::filesystem::path directory_;
  std::filesystem::path lock_path_;
  int lock_ = -1;
};

/// The fingerprint that a finished folder's manifest carries in its provenance; empty when there is no readable
/// manifest.
std::string finished_fingerprint(const std::filesystem::path& directory);

}  // namespace pulmo::pipeline
