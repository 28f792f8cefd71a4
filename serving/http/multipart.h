#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "serving/http/message.h"

namespace pulmo::serving {

/// The boundary of a `multipart/form-data; boundary=...` Content-Type, quoted or not; spaces inside are allowed
/// (RFC 2046 section 5.1.1). Throws HttpRefusal 400 when it is missing, longer than 70 characters or of other
/// characters.
std::string multipart_boundary(std::string_view content_type);

/// Splits a multipart/form-data body as it arrives, in pieces of any size, in memory bounded by the parts themselves
/// plus 8 KiB. Preamble, epilogue and unknown part headers are ignored. Not thread-safe.
class MultipartParser {
 public:
  MultipartParser(std::string boundary, std::size_t max_parts);

  /// Throws HttpRefusal: 400 malformed_multipart, 413 too_many_parts. The parser is of no use after that.
  void feed(std::string_view data);
  /// The body is over. Throws HttpRefusal 400 when the closing boundary was not seen.
  void finish() const;
  std::vector<Part> take() { return std::move(parts_); }

 private:
  enum class State { kPreamble, kBoundaryTail, kHeaders, kData, kEpilogue };

  bool step();
  bool skip_preamble();
  bool read_boundary_tail();
  bool read_headers();
  bool read_data();
  void begin_part(std::string_view headers);
  void read_part_header(std::string_view line, Part& part) const;
  void append(std::string_view data);

  std::string delimiter_;  ///< CRLF "--" boundary
  std::size_t max_parts_;
  State state_ = State::kPreamble;
  std::string pending_ = "\r\n";  ///< a boundary at the very start counts as if a line had ended before it
  std::size_t at_ = 0;            ///< pending_ is consumed up to here
  std::vector<Part> parts_;
};

}  // namespace pulmo::serving
