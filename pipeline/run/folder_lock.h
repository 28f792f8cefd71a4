#pragma once

#include <filesystem>

namespace pulmo::pipeline {

/// An advisory lock by a file (flock(2)): taken by one process alone, or shared by several. The file is removed by the
/// last one that lets go of it.
class FolderLock {
 public:
  enum class Kind { kAlone, kShared };

  /// Throws IoError when the file cannot be made, or another process holds it in a way that leaves no room.
  FolderLock(std::filesystem::path file, Kind kind);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  std::filesystem::path file_;
  int descriptor_ = -1;
};

}  // namespace pulmo::pipeline
