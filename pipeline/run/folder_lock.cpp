#include "pipeline/run/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/support/error.h"

namespace pulmo::pipeline {
namespace {

// Whoever held the lock before may have removed the file after it was opened here: a lock on it would keep nobody out.
bool is_removed(int descriptor) {
  struct stat status {};
  return ::fstat(descriptor, &status) == 0 && status.st_nlink == 0;
}

}  // namespace

FolderLock::FolderLock(std::filesystem::path file, Kind kind) : file_(std::move(file)) {
  do {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = ::open(file_.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    if (descriptor_ < 0) throw IoError("cannot create " + file_.string() + ": " + std::strerror(errno));
    if (::flock(descriptor_, (kind == Kind::kAlone ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) {
      ::close(descriptor_);
      throw IoError("another pulmo-prepare is writing to " + file_.parent_path().parent_path().string() +
                    "; wait for it or choose another folder");
    }
  } while (is_removed(descriptor_));
}

FolderLock::~FolderLock() {
  std::error_code ignored;
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) std::filesystem::remove(file_, ignored);
  ::close(descriptor_);
}

}  // namespace pulmo::pipeline
