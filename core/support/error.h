#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace pulmo {

/// The caller's data is at fault: a file, an upload, a configuration value. The message says what, where, the value
/// and the remedy, and never holds a patient identifier. `reason` is a short stable snake_case word ("no_lung",
/// "truncated_dicom") by which reports count and the HTTP layer maps to a status.
class InvalidInput : public std::runtime_error {
 public:
  InvalidInput(std::string reason, const std::string& message)
      : std::runtime_error(message), reason_(std::move(reason)) {}

  const std::string& reason() const noexcept { return reason_; }

 private:
  std::string reason_;
};

/// The environment is at fault: a disk is full, a folder is not writable, a peer is gone.
class IoError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The command line is wrong. run_main() prints the message and exits with 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A signal asked the program to stop and its state is safe on disk. run_main() exits with 75 (EX_TEMPFAIL): run me
/// again.
class Interrupted : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace pulmo
