#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace pulmo::testing {

struct ProcessResult {
  int exit_code = -1;  ///< 128 + signal when killed by one
  std::string out;
  std::string err;
};

/// A child process with its output in files. Killed with SIGKILL at the end of the scope if it still runs.
class Process {
 public:
  /// argv[0] is looked up in PATH when it holds no slash. `environment` entries are "NAME=value", added to ours.
  explicit Process(const std::vector<std::string>& argv, const std::vector<std::string>& environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  void signal(int number) const;
  /// Waits; throws std::runtime_error after `limit` (the child is then killed).
  ProcessResult wait(std::chrono::seconds limit = std::chrono::seconds(120));
  /// What it has printed so far.
  std::string out() const;
  std::string err() const;

 private:
  bool reap(int flags);

  pid_t pid_ = -1;
  int exit_code_ = -1;
  bool ended_ = false;
  std::filesystem::path out_file_;
  std::filesystem::path err_file_;
};

/// Runs to the end.
ProcessResult run_process(const std::vector<std::string>& argv, const std::vector<std::string>& environment = {},
                          std::chrono::seconds limit = std::chrono::seconds(300));

}  // namespace pulmo::testing
