#include "core/support/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>
#include <vector>

#include "core/support/error.h"

namespace pulmo {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTemporary = ".tmp-";  // after a target's name, before process and number

[[noreturn]] void fail(std::string_view action, const fs::path& path) {
  throw IoError("cannot " + std::string(action) + " " + path.string() + ": " + std::strerror(errno));
}

void sync_path(const fs::path& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
  if (descriptor < 0) fail("open", path);
  const int result = ::fsync(descriptor);
  const int error = errno;
  ::close(descriptor);
  errno = error;
  if (result != 0) fail("flush to disk", path);
}

fs::path parent_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

fs::path temp_name(const fs::path& target) {
  static std::atomic<unsigned> counter{0};
  return target.string() + std::string(kTemporary) + std::to_string(::getpid()) + "-" +
         std::to_string(counter.fetch_add(1));
}

}  // namespace

// In a container, where every process has the same number, a killed one may have left a file of that name.
AtomicFile::AtomicFile(fs::path target) : target_(std::move(target)) {
  int descriptor = -1;
  do {
    temp_ = temp_name(target_);
    descriptor = ::open(temp_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
  } while (descriptor < 0 && errno == EEXIST);
  if (descriptor < 0) fail("create a file in", parent_of(target_));
  ::close(descriptor);
}

AtomicFile::~AtomicFile() {
  if (committed_) return;
  std::error_code ignored;
  fs::remove(temp_, ignored);
}

void AtomicFile::begin_flush() const noexcept {
  const int descriptor = ::open(temp_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return;  // commit() will say why
  ::sync_file_range(descriptor, 0, 0, SYNC_FILE_RANGE_WRITE);
  ::close(descriptor);
}

void AtomicFile::commit() {
  sync_path(temp_, O_RDONLY);
  if (::rename(temp_.c_str(), target_.c_str()) != 0) fail("rename a temporary file to", target_);
  committed_ = true;
  sync_path(parent_of(target_), O_RDONLY | O_DIRECTORY);
}

void write_file_atomically(const fs::path& path, std::string_view content) {
  AtomicFile file(path);
  std::ofstream stream(file.temp_path(), std::ios::binary | std::ios::trunc);
  stream.write(content.data(), static_cast<std::streamsize>(content.size()));
  stream.close();
  if (!stream) fail("write", path);
  file.commit();
}

void make_writable_directory(const fs::path& directory) {
  std::error_code status;
  fs::create_directories(directory, status);
  if (status) throw IoError("cannot create the folder " + directory.string() + ": " + status.message());
  constexpr const char* kProbe = ".pulmo-probe";
  remove_abandoned(directory, {kProbe});
  const AtomicFile probe(directory / kProbe);
}

void remove_abandoned(const fs::path& directory, const std::set<std::string>& names) {
  std::error_code status;
  std::vector<fs::path> abandoned;
  for (fs::directory_iterator item(directory, status), end; item != end; item.increment(status)) {
    const std::string name = item->path().filename().string();
    const auto mark = name.find(kTemporary);
    if (mark != std::string::npos && names.count(name.substr(0, mark)) > 0) abandoned.push_back(item->path());
  }
  if (status) throw IoError("cannot list the folder " + directory.string() + ": " + status.message());
  for (const fs::path& path : abandoned) {
    fs::remove(path, status);
    if (status) throw IoError("cannot remove " + path.string() + ": " + status.message());
  }
}

}  // namespace pulmo
