#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pulmo::pipeline {

/// Text as HTML or XML content and inside quoted attributes: & < > " ' are escaped, control characters dropped.
std::string escaped(std::string_view text);

/// "12,345"
std::string grouped(std::int64_t number);

/// RFC 4648 section 4.
std::string base64(std::string_view bytes);

}  // namespace pulmo::pipeline
