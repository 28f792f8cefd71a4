#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "serving/http/message.h"

namespace pulmo::serving {

/// What a request may cost, checked before its body is read.
struct HttpLimits {
  std::size_t target_bytes = std::size_t{8} * 1024;             ///< of the request target
  std::size_t head_bytes = std::size_t{16} * 1024;              ///< request line and headers together
  std::size_t header_count = 100;                               ///< header fields
  std::uint64_t body_bytes = std::uint64_t{256} * 1024 * 1024;  ///< of a POST: a zip of a large CT series
  std::uint64_t idle_body_bytes = std::uint64_t{64} * 1024;     ///< of any other method: read and ignored
  std::size_t parts = 1024;                                     ///< of a multipart body, files and fields together
};

/// Parses the head of a request, from the first byte of the request line up to and including the empty line. Every
/// line of `head` ends in CRLF. Throws HttpRefusal: 400 malformed, 411 chunked, 413 too_large, 414, 417, 431, 501, 505.
/// Headers that the server does not need (Cookie, Date, Accept ...) are kept as text and never interpreted. Pure.
RequestHead parse_request_head(std::string_view head, const HttpLimits& limits);

/// The same checks on the request line alone (without its CRLF), so that what is no HTTP is refused at its first line.
void check_request_line(std::string_view line, const HttpLimits& limits);

/// Decodes %XX; with `plus_is_space` also '+'. Throws HttpRefusal 400 for a bad escape or an escaped NUL.
std::string percent_decode(std::string_view text, bool plus_is_space);

/// A header value with parameters (RFC 9110 section 5.6.6): `form-data; name="a b"; filename=x`.
struct ParameterisedValue {
  std::string value;                              ///< lower-case, before the first ';'
  std::map<std::string, std::string> parameters;  ///< names lower-case, values unquoted; the first of equal names
};
/// Throws HttpRefusal 400 when a parameter or a quoted string is malformed. Pure.
ParameterisedValue parse_parameters(std::string_view text);

}  // namespace pulmo::serving
