#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "pipeline/run/folder_lock.h"

namespace pulmo::pipeline {

/// The folder that a run writes to: keeps runs of different configurations apart, and two processes out of each other's
/// way. While a run is unfinished its state lies in DIR/.pulmo-prepare.
class OutputFolder {
 public:
  /// Creates the folder and locks it: for this process alone, or, where `part` names a part of a job array, together
  /// with other parts. Throws IoError when it cannot be written, or another process has it or makes that part.
  explicit OutputFolder(std::filesystem::path directory, const std::string& part = "");
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
  std::optional<FolderLock> lock_, part_lock_;
};

/// The fingerprint that a finished folder's manifest carries in its provenance; empty when there is no readable
/// manifest.
std::string finished_fingerprint(const std::filesystem::path& directory);

}  // namespace pulmo::pipeline
