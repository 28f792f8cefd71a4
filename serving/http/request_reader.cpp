#include "serving/http/request_reader.h"

#include <algorithm>

namespace pulmo::serving {

std::size_t RequestReader::feed(std::string_view data) {
  try {
    switch (status_) {
      case Status::kIdle:
      case Status::kHead: return feed_head(data);
      case Status::kBody: return feed_body(data);
      default: return 0;
    }
  } catch (const HttpRefusal& refusal) {
    refuse(refusal);
    return 0;
  }
}

std::size_t RequestReader::feed_head(std::string_view data) {
  std::size_t used = 0;
  while (used < data.size()) {
    const char c = data[used++];
    // Empty lines before a request are left over from a client's previous body (RFC 9112 section 2.2).
    if (status_ == Status::kIdle && (c == '\r' || c == '\n')) continue;
    check_head_byte(c);
    head_text_ += c;
    if (c == '\n' && !line_checked_) {
      check_request_line(std::string_view(head_text_).substr(0, head_text_.size() - 2), limits_);
      line_checked_ = true;
    }
    if (head_text_.ends_with("\r\n\r\n")) {
      request_.head = parse_request_head(head_text_, limits_);
      head_text_.clear();
      line_checked_ = false;
      status_ = Status::kHeadComplete;
      break;
    }
  }
  return used;
}

/// Refuses at the first byte that cannot belong to a request, so that nothing waits for an end that will not come.
void RequestReader::check_head_byte(char c) {
  if (status_ == Status::kIdle) {
    request_.started = Clock::now();
    status_ = Status::kHead;
    if (c < 'A' || c > 'z')
      throw HttpRefusal(400, "malformed_request", "this is not HTTP: a request begins with a method");
  }
  const bool after_return = head_text_.ends_with('\r');
  if ((c == '\n') != after_return) {
    throw HttpRefusal(400, "malformed_request", "header lines must end in CRLF");
  }
  if (c == '\0') throw HttpRefusal(400, "malformed_request", "NUL byte in a header");
  if (head_text_.size() >= limits_.head_bytes) {
    throw HttpRefusal(line_checked_ ? 431 : 414, line_checked_ ? "headers_too_large" : "target_too_long",
                      "the request line and headers are over " + std::to_string(limits_.head_bytes) + " bytes");
  }
}

void RequestReader::begin_body() {
  const RequestHead& head = request_.head;
  remaining_bytes_ = head.content_length;
  try {
    const std::string_view type = head.header("content-type");
    if (head.method == "POST" && to_lower(trim(type.substr(0, type.find(';')))) == "multipart/form-data") {
      multipart_.emplace(multipart_boundary(type), limits_.parts);
      request_.multipart = true;
    }
    status_ = Status::kBody;
    if (remaining_bytes_ == 0) complete_body();
  } catch (const HttpRefusal& refusal) {
    refuse(refusal);
  }
}

std::size_t RequestReader::feed_body(std::string_view data) {
  const std::size_t used = std::min<std::uint64_t>(remaining_bytes_, data.size());
  keep(data.substr(0, used));
  remaining_bytes_ -= used;
  if (remaining_bytes_ == 0) complete_body();
  return used;
}

void RequestReader::keep(std::string_view data) {
  if (multipart_) {
    multipart_->feed(data);
    return;
  }
  if (request_.head.method != "POST") return;  // the body of a GET has no meaning
  Bytes& body = request_.body;
  // The declared length is believed once a quarter of it has come: a header alone buys no memory.
  const std::uint64_t declared = request_.head.content_length;
  if (body.capacity() < declared && (body.size() + data.size()) * 4 >= declared) body.reserve(declared);
  const ByteView bytes = as_bytes(data);
  body.insert(body.end(), bytes.begin(), bytes.end());
}

void RequestReader::complete_body() {
  if (multipart_ && request_.head.content_length > 0) {
    multipart_->finish();
    request_.parts = multipart_->take();
  }
  multipart_.reset();
  status_ = Status::kComplete;
}

void RequestReader::refuse(const HttpRefusal& refusal) {
  refusal_ = refusal;
  status_ = Status::kRefused;
  head_text_ = {};
  request_.body = {};
  multipart_.reset();
}

HttpRequest RequestReader::take() {
  HttpRequest request = std::move(request_);
  request_ = {};
  status_ = Status::kIdle;
  return request;
}

}  // namespace pulmo::serving
