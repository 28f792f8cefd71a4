#pragma once

namespace pulmo::training {

/// While it lives, SIGTERM and SIGUSR1 do not end the process but raise a flag. One at a time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// The signal that came to this process, 0 when none did.
  int received() const;
};

}  // namespace pulmo::training
