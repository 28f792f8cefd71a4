#include "serving/http/multipart.h"

#include <algorithm>

#include "serving/http/request_head.h"

namespace pulmo::serving {
namespace {

constexpr std::size_t kMaxHeaderBytes = 8 * 1024;  // of one part
constexpr std::size_t kMaxFieldBytes = 64 * 1024;  // of a form field that is no file

[[noreturn]] void malformed(const std::string& message) {
  throw HttpRefusal(400, "malformed_multipart", message);
}

bool is_boundary_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("'()+_,-./:=? ").find(c) != std::string_view::npos;
}

}  // namespace

std::string multipart_boundary(std::string_view content_type) {
  const ParameterisedValue value = parse_parameters(content_type);
  const auto found = value.parameters.find("boundary");
  if (found == value.parameters.end()) malformed("Content-Type multipart/form-data names no boundary");
  const std::string& boundary = found->second;
  if (boundary.empty() || boundary.size() > 70 || boundary.back() == ' ' ||
      !std::all_of(boundary.begin(), boundary.end(), is_boundary_char)) {
    malformed("the multipart boundary is not 1 to 70 characters of RFC 2046");
  }
  return boundary;
}

MultipartParser::MultipartParser(std::string boundary, std::size_t max_parts)
    : delimiter_("\r\n--" + std::move(boundary)), max_parts_(max_parts) {}

void MultipartParser::feed(std::string_view data) {
  if (state_ == State::kEpilogue) return;
  pending_.append(data);
  while (step()) {
  }
  pending_.erase(0, at_);
  at_ = 0;
}

void MultipartParser::finish() const {
  if (state_ != State::kEpilogue) malformed("the multipart body ends before its closing boundary");
}

/// One move of the automaton; false when it needs more bytes.
bool MultipartParser::step() {
  switch (state_) {
    case State::kPreamble: return skip_preamble();
    case State::kBoundaryTail: return read_boundary_tail();
    case State::kHeaders: return read_headers();
    case State::kData: return read_data();
    case State::kEpilogue: at_ = pending_.size(); return false;
  }
  return false;
}

bool MultipartParser::skip_preamble() {
  const auto found = pending_.find(delimiter_, at_);
  if (found == std::string::npos) {
    // Keep what may be the first bytes of a delimiter.
    at_ = std::max(at_, pending_.size() - std::min(pending_.size(), delimiter_.size() - 1));
    return false;
  }
  at_ = found + delimiter_.size();
  state_ = State::kBoundaryTail;
  return true;
}

bool MultipartParser::read_boundary_tail() {
  const std::string_view rest = std::string_view(pending_).substr(at_);
  if (rest.size() < 2) return false;
  if (rest.starts_with("--")) {
    state_ = State::kEpilogue;
    return true;
  }
  const auto content = rest.find_first_not_of(" \t");  // transport padding
  if (content == std::string_view::npos || rest.size() < content + 2) {
    if (rest.size() > kMaxHeaderBytes) malformed("a boundary line is too long");
    return false;
  }
  if (rest.substr(content, 2) != "\r\n") malformed("text after a boundary");
  at_ += content;  // the CRLF stays: it ends an empty header block too
  state_ = State::kHeaders;
  return true;
}

bool MultipartParser::read_headers() {
  const std::string_view rest = std::string_view(pending_).substr(at_);
  const auto end = rest.find("\r\n\r\n");
  if (std::min(end, rest.size()) > kMaxHeaderBytes) malformed("the headers of a part are over 8 KiB");
  if (end == std::string_view::npos) return false;
  begin_part(end == 0 ? std::string_view{} : rest.substr(2, end - 2));
  at_ += end + 4;
  state_ = State::kData;
  return true;
}

bool MultipartParser::read_data() {
  const auto found = pending_.find(delimiter_, at_);
  const std::size_t safe =
      found != std::string::npos ? found : pending_.size() - std::min(pending_.size() - at_, delimiter_.size() - 1);
  append(std::string_view(pending_).substr(at_, safe - at_));
  at_ = safe;
  if (found == std::string::npos) return false;
  at_ += delimiter_.size();
  state_ = State::kBoundaryTail;
  return true;
}

void MultipartParser::begin_part(std::string_view headers) {
  if (parts_.size() >= max_parts_) {
    throw HttpRefusal(413, "too_many_parts", "more than " + std::to_string(max_parts_) + " parts in one request");
  }
  Part part;
  while (!headers.empty()) {
    const auto end = std::min(headers.find("\r\n"), headers.size());
    read_part_header(headers.substr(0, end), part);
    headers.remove_prefix(std::min(end + 2, headers.size()));
  }
  parts_.push_back(std::move(part));
}

void MultipartParser::read_part_header(std::string_view line, Part& part) const {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) malformed("a header of a part is not 'Name: value'");
  const std::string name = to_lower(trim(line.substr(0, colon)));
  const std::string_view value = trim(line.substr(colon + 1));
  if (name == "content-transfer-encoding" && to_lower(value) != "binary" && to_lower(value) != "8bit") {
    malformed("a part is encoded as " + to_lower(value.substr(0, 20)) + ": send it as it is");
  }
  if (name == "content-type") part.content_type = to_lower(trim(value.substr(0, value.find(';'))));
  if (name != "content-disposition") return;
  const ParameterisedValue disposition = parse_parameters(value);
  const auto& parameters = disposition.parameters;
  if (const auto found = parameters.find("name"); found != parameters.end()) part.name = found->second;
  if (const auto found = parameters.find("filename"); found != parameters.end()) {
    part.filename = found->second;
    part.has_filename = true;
  }
}

void MultipartParser::append(std::string_view data) {
  Part& part = parts_.back();
  const ByteView bytes = as_bytes(data);
  part.data.insert(part.data.end(), bytes.begin(), bytes.end());
  if (!part.has_filename && part.data.size() > kMaxFieldBytes) {
    throw HttpRefusal(413, "field_too_large",
                      "a form field that is no file is over 64 KiB: send files with a filename");
  }
}

}  // namespace pulmo::serving
