#pragma once

#include <chrono>
#include <cstdint>

#include "serving/isolation/wire.h"

namespace pulmo::serving {

/// How a decoder process is told to be: the command line of pulmo-decoder, written by the server only.
struct DecoderWorkerOptions {
  SharedLayout layout;
  DecodeLimits limits;
  std::uint64_t memory_bytes = 0;
  std::chrono::seconds cpu_time{};
  int parent = 0;  ///< process id of the server
};

/// The life of a decoder process: loads what decoding needs, confines itself, says kReady, then decodes one file after
/// the other until the server closes the socket or dies, which ends it. Throws IoError when it cannot begin.
[[noreturn]] void run_decoder_worker(const DecoderWorkerOptions& options);

}  // namespace pulmo::serving
