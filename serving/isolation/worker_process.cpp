#include "serving/isolation/worker_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "core/support/error.h"

namespace pulmo::serving {
namespace {

constexpr auto kLastMoment = std::chrono::milliseconds(500);
constexpr int kFirstDescriptor = 10;                           // clear of what the process is to find at 3 and 4
constexpr std::uint64_t kKeptBytes = std::uint64_t{8} << 20U;  // a usual slice stays below: its pages are kept

[[noreturn]] void fail(const std::string& what, int error) {
  throw IoError("a decoder process cannot be started: " + what + ": " + std::strerror(error));
}

/// Owns a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }
  void raise() {
    const int high = ::fcntl(number_, F_DUPFD_CLOEXEC, kFirstDescriptor);
    if (high < 0) fail("descriptor", errno);
    ::close(std::exchange(number_, high));
  }

 private:
  int number_;
};

/// What the child finds: our two descriptors, nothing else that is open here, the null device for its words, and no
/// signal of a terminal or a service manager: it ends when its socket does.
class SpawnPlan {
 public:
  SpawnPlan(int socket, int memory) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
    for (const int number : {0, 1}) ::posix_spawn_file_actions_addopen(&actions_, number, "/dev/null", O_RDWR, 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // a sanitizer's report must be seen
    ::posix_spawn_file_actions_addopen(&actions_, 2, "/dev/null", O_RDWR, 0);
#endif
    ::posix_spawn_file_actions_adddup2(&actions_, socket, kWorkerSocket);
    ::posix_spawn_file_actions_adddup2(&actions_, memory, kWorkerMemory);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, kWorkerMemory + 1);
    sigset_t blocked;
    sigemptyset(&blocked);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) sigaddset(&blocked, signal);
    ::posix_spawnattr_setsigmask(&attributes_, &blocked);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  pid_t spawn(const std::filesystem::path& program, std::vector<std::string> arguments) const {
    std::vector<std::string> environment{"OPENBLAS_NUM_THREADS=1", "OMP_NUM_THREADS=1"};
    for (const char* kept : {"LD_LIBRARY_PATH", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"}) {
      if (const char* value = std::getenv(kept)) environment.push_back(std::string(kept) + "=" + value);
    }
    pid_t pid = -1;
    const int failed = ::posix_spawn(&pid, program.c_str(), &actions_, &attributes_, pointers(arguments).data(),
                                     pointers(environment).data());
    if (failed != 0) fail(program.string(), failed);
    return pid;
  }

 private:
  static std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> list;
    for (std::string& text : texts) list.push_back(text.data());
    list.push_back(nullptr);
    return list;
  }
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

int make_memory(std::uint64_t bytes) {
  Descriptor memory(::memfd_create("pulmo-decoder", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (memory.get() < 0) fail("memory", errno);
  if (::ftruncate(memory.get(), static_cast<off_t>(bytes)) != 0) fail("memory", errno);
  if (::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) fail("seals", errno);
  memory.raise();
  return memory.release();
}

WorkerEnd end_of(int status) {
  if (!WIFSIGNALED(status)) return WorkerEnd::kExited;
  switch (WTERMSIG(status)) {
    case SIGSYS: return WorkerEnd::kForbidden;
    case SIGKILL: return WorkerEnd::kKilled;
    default: return WorkerEnd::kCrash;
  }
}

std::vector<std::string> command_line(const WorkerOptions& options, const SharedLayout& layout) {
  // A file may take the whole timeout, and the process must not die of its own limit in the middle of it.
  const auto spare = std::chrono::ceil<std::chrono::seconds>(options.timeout) * 2;
  return {options.program.string(),
          "--input-bytes=" + std::to_string(layout.input_bytes),
          "--pixel-bytes=" + std::to_string(layout.pixel_bytes),
          "--max-side=" + std::to_string(options.limits.max_side_px),
          "--max-pixels=" + std::to_string(options.limits.max_pixels),
          "--max-frames=" + std::to_string(options.limits.max_frames),
          "--memory-bytes=" + std::to_string(options.memory_bytes),
          "--cpu-seconds=" + std::to_string((options.retire_after + spare).count() + 1),
          "--parent=" + std::to_string(::getpid())};
}

}  // namespace

const char* to_string(WorkerEnd end) {
  switch (end) {
    case WorkerEnd::kCrash: return "crash";
    case WorkerEnd::kForbidden: return "forbidden_call";
    case WorkerEnd::kTimeout: return "timeout";
    case WorkerEnd::kKilled: return "killed";
    case WorkerEnd::kExited: return "exited";
    case WorkerEnd::kRetired: return "retired";
  }
  return "exited";
}

WorkerProcess::WorkerProcess(const WorkerOptions& options) {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto whole_pages = [page](std::uint64_t bytes) { return (bytes + page - 1) / page * page; };
  layout_ = {whole_pages(options.input_bytes),
             whole_pages(static_cast<std::uint64_t>(options.limits.max_pixels) * sizeof(float))};
  Descriptor memory(make_memory(layout_.total_bytes()));
  int pair[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) fail("socket pair", errno);
  Descriptor ours(pair[0]);
  Descriptor theirs(pair[1]);
  theirs.raise();
  void* mapped = ::mmap(nullptr, layout_.total_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (mapped == MAP_FAILED) fail("memory map", errno);
  memory_ = static_cast<std::byte*>(mapped);
  try {
    pid_ = SpawnPlan(theirs.get(), memory.get()).spawn(options.program, command_line(options, layout_));
  } catch (...) {
    ::munmap(memory_, layout_.total_bytes());
    throw;
  }
  socket_ = ours.release();
}

WorkerProcess::~WorkerProcess() {
  end();
  ::munmap(memory_, layout_.total_bytes());
}

bool WorkerProcess::wait_until_ready(std::chrono::milliseconds timeout) {
  const std::optional<DecodeReply> first = receive(timeout);
  return first && first->kind == ReplyKind::kReady;
}

bool WorkerProcess::send(ByteView file, std::string_view name) {
  if (socket_ < 0) return false;
  if (!file.empty()) std::memcpy(memory_, file.data(), file.size());
  DecodeRequest request;
  request.file_bytes = file.size();
  put_text(request.name, name);
  return ::send(socket_, &request, sizeof request, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof request);
}

std::optional<DecodeReply> WorkerProcess::receive(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (socket_ >= 0) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd waiting{socket_, POLLIN, 0};
    const int found = left.count() > 0 ? ::poll(&waiting, 1, static_cast<int>(left.count())) : 0;
    if (found < 0 && errno == EINTR) continue;
    if (found <= 0) {
      our_doing_ = WorkerEnd::kTimeout;
      return std::nullopt;
    }
    DecodeReply reply;
    const ssize_t count = ::recv(socket_, &reply, sizeof reply, MSG_DONTWAIT);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count != static_cast<ssize_t>(sizeof reply)) return std::nullopt;
    return reply;
  }
  return std::nullopt;
}

void WorkerProcess::tidy(std::uint64_t file_bytes, std::uint64_t pixel_bytes) {
  if (file_bytes > kKeptBytes) ::madvise(memory_, layout_.input_bytes, MADV_REMOVE);
  if (pixel_bytes > kKeptBytes) ::madvise(memory_ + layout_.input_bytes, layout_.pixel_bytes, MADV_REMOVE);
}

bool WorkerProcess::running() {
  if (status_) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return true;
  status_ = status;
  return false;
}

/// A process whose socket is closed exits, and one that crashed is about to be gone: it gets a moment, because a
/// SIGKILL would hide what it died of.
bool WorkerProcess::ends_by_itself() {
  const auto deadline = std::chrono::steady_clock::now() + kLastMoment;
  while (running()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

WorkerEnd WorkerProcess::end() {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  const bool overdue = our_doing_ == WorkerEnd::kTimeout;
  if (!status_ && (overdue || !ends_by_itself())) {
    ::kill(pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    status_ = status;
  }
  return our_doing_.value_or(end_of(*status_));
}

}  // namespace pulmo::serving
