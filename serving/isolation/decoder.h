#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include "serving/isolation/worker_pool.h"

namespace pulmo::serving {

struct DecoderOptions {
  bool isolated = true;       ///< decode in processes of their own; else here
  std::size_t processes = 1;  ///< as many as threads call decode()
  WorkerOptions worker;  ///< limits serve both ways; an empty program: the pulmo-decoder built or installed with this
};

/// Where files of strangers become pixels. Thread-safe.
class Decoder {
 public:
  /// In this process.
  explicit Decoder(const DecodeLimits& limits);
  /// As the options say. `on_end` is told of each decoder process that had to be replaced. Throws IoError when no
  /// decoder process starts.
  Decoder(DecoderOptions options, WorkerPool::OnEnd on_end);

  /// Throws InvalidInput (those of decode_slice(), and of WorkerPool::decode()) and DecoderUnavailable.
  DecodedSlice decode(ByteView file, std::string_view name) const;

  /// Decoder processes that are ready; 0 without isolation.
  std::size_t processes() const;

 private:
  DecodeLimits limits_;
  std::unique_ptr<WorkerPool> pool_;
};

}  // namespace pulmo::serving
