#pragma once

#include "core/support/bytes.h"

namespace pulmo {

/// Whether the bytes are a whole zip archive each of whose members matches its CRC-32. LibTorch reads its archives
/// without this check, and would serve a model with damaged weights. Thread-safe.
bool is_intact_archive(ByteView bytes);

}  // namespace pulmo
