#pragma once

#include <string>
#include <string_view>

#include "core/support/bytes.h"

namespace pulmo {

/// Text as HTML or XML content and inside quoted attributes: & < > " ' are escaped, control characters dropped.
std::string escape_html(std::string_view text);

/// RFC 4648 section 4, with padding: for pictures in data URIs.
std::string base64(ByteView bytes);

}  // namespace pulmo
