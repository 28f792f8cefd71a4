#pragma once

#include <chrono>
#include <cstdint>

namespace pulmo::serving {

struct Confinement {
  std::uint64_t memory_bytes = 0;   ///< address space beyond what the process has now
  std::chrono::seconds cpu_time{};  ///< of the process, in all
  int socket = -1;                  ///< the one descriptor it may read and write; standard error may be written, too
};

/// False in builds with a sanitizer, whose runtime needs what is forbidden here: confine() then only sets limits.
bool confinement_is_complete();

/// Takes away from this process, for good, everything that decoding does not need: no file, socket, program or process
/// can be opened or started, no memory made executable, no descriptor but `socket` read or written; memory and
/// processor time are limited, no core is dumped, and no other process of the same user may look into it. A call that
/// is not allowed kills the process; opening a file fails, since libraries look for optional ones. Threads may be
/// started: DICOM of deep nesting is parsed on one with a large stack. Throws IoError when the kernel refuses.
void confine(const Confinement& confinement);

}  // namespace pulmo::serving
