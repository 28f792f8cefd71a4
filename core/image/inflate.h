#pragma once

#include <cstddef>
#include <string_view>

#include "core/support/bytes.h"

namespace pulmo {

/// Inside core/image only. Unpacks a raw deflate stream (RFC 1951), as the deflated transfer syntax holds it.
/// Throws InvalidInput: truncated_dicom when it is damaged or ends early, too_large over `max_bytes`. Thread-safe.
Bytes inflate_raw(ByteView packed, std::size_t max_bytes, std::string_view name);

}  // namespace pulmo
