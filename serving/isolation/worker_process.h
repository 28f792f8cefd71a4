#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "serving/isolation/wire.h"

namespace pulmo::serving {

/// How decoder processes are started.
struct WorkerOptions {
  std::filesystem::path program;                         ///< pulmo-decoder
  DecodeLimits limits;                                   ///< of a picture
  std::uint64_t input_bytes = std::uint64_t{64} << 20U;  ///< of a file, at most
  std::uint64_t memory_bytes = std::uint64_t{1} << 30U;  ///< of a process, beyond what it needs to start
  std::chrono::milliseconds timeout{10'000};             ///< for one file
  std::chrono::seconds retire_after{600};                ///< processor time after which a process is replaced
  std::chrono::milliseconds start_timeout{30'000};       ///< from its start to its first word
};

/// Why a decoder process came to its end: the label `reason` of pulmo_decoder_restarts_total.
enum class WorkerEnd {
  kCrash,      ///< a signal of its own: a fault, an abort, the limit of its processor time
  kForbidden,  ///< a system call that decoding does not need
  kTimeout,    ///< killed by us: the file took too long
  kKilled,     ///< SIGKILL from elsewhere: the kernel, out of memory, or a person
  kExited,     ///< by itself
  kRetired,    ///< by us, after much work: what its libraries leak ends with it
};
inline constexpr std::array kWorkerEnds{WorkerEnd::kCrash,  WorkerEnd::kForbidden, WorkerEnd::kTimeout,
                                        WorkerEnd::kKilled, WorkerEnd::kExited,    WorkerEnd::kRetired};
/// "crash", "forbidden_call", "timeout", "killed", "exited", "retired".
const char* to_string(WorkerEnd end);

/// One decoder process, seen from the server. Its memory is sealed: it can neither grow nor shrink, so no access of
/// ours can fault, whatever the process does. Not thread-safe. The destructor ends the process.
class WorkerProcess {
 public:
  /// Starts it. It ends with the thread that calls this, at the latest. Throws IoError.
  explicit WorkerProcess(const WorkerOptions& options);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  /// False when it ended, or said nothing in time: then it cannot work here.
  bool wait_until_ready(std::chrono::milliseconds timeout);
  /// Hands it a file; false when the process is gone. `file` must not be larger than input_bytes.
  bool send(ByteView file, std::string_view name);
  /// The reply to it; nothing when the process is gone or has been killed since `timeout` passed: end() says which.
  std::optional<DecodeReply> receive(std::chrono::milliseconds timeout);
  /// The pixels of the last reply, float32.
  const std::byte* pixels() const { return memory_ + layout_.input_bytes; }
  /// Gives back the memory that a large file took.
  void tidy(std::uint64_t file_bytes, std::uint64_t pixel_bytes);

  bool running();
  /// Ends it if need be, reaps it, and says what it died of. Idempotent.
  WorkerEnd end();
  /// The end that comes is our wish.
  void retire() { our_doing_ = WorkerEnd::kRetired; }
  bool retiring() const { return our_doing_ == WorkerEnd::kRetired; }
  pid_t pid() const { return pid_; }

 private:
  bool ends_by_itself();

  SharedLayout layout_;
  std::byte* memory_ = nullptr;
  int socket_ = -1;
  pid_t pid_ = -1;
  std::optional<int> status_;           ///< of waitpid()
  std::optional<WorkerEnd> our_doing_;  ///< timeout or retirement
};

}  // namespace pulmo::serving
