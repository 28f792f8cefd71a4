#include "serving/http/request_head.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace pulmo::serving {
namespace {

constexpr std::array<std::string_view, 7> kMethods{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

[[noreturn]] void malformed(const std::string& message) {
  throw HttpRefusal(400, "malformed_request", message);
}

// RFC 9110 section 5.6.2.
bool is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void parse_version(std::string_view text, RequestHead& head) {
  const bool well_formed = text.size() == 8 && text.starts_with("HTTP/") && text[6] == '.' && hex_digit(text[5]) >= 0 &&
                           hex_digit(text[5]) < 10 && hex_digit(text[7]) >= 0 && hex_digit(text[7]) < 10;
  if (!well_formed) malformed("the request line does not end in HTTP/1.1");
  if (text[5] != '1') {
    throw HttpRefusal(505, "http_version", "this server speaks HTTP/1.1 and HTTP/1.0, not " + std::string(text));
  }
  head.minor_version = text[7] == '0' ? 0 : 1;
}

void parse_query(std::string_view text, RequestHead& head) {
  while (!text.empty()) {
    const auto end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    const auto equals = std::min(pair.find('='), pair.size());
    const std::string_view value = equals == pair.size() ? std::string_view{} : pair.substr(equals + 1);
    head.query.emplace(percent_decode(pair.substr(0, equals), true), percent_decode(value, true));
  }
}

// Origin form, absolute form (as a proxy sends it) and "*" (RFC 9112 section 3.2).
void parse_target(std::string_view target, RequestHead& head) {
  if (std::any_of(target.begin(), target.end(), is_control)) malformed("control character in the request target");
  const std::string lower = to_lower(target.substr(0, 8));
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (lower.compare(0, scheme.size(), scheme) != 0) continue;
    const auto slash = target.find('/', scheme.size());
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
    break;
  }
  if (target == "*" && head.method == "OPTIONS") {
    head.path = target;
    return;
  }
  if (!target.starts_with('/')) malformed("the request target must be a path that begins with /");
  target = target.substr(0, target.find('#'));
  const auto question = std::min(target.find('?'), target.size());
  head.path = percent_decode(target.substr(0, question), false);
  if (question < target.size()) parse_query(target.substr(question + 1), head);
}

void parse_request_line(std::string_view line, const HttpLimits& limits, RequestHead& head) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) malformed("the first line is not METHOD TARGET HTTP/1.1");
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  if (!is_token(method)) malformed("the method is not a word");
  parse_version(line.substr(last + 1), head);
  if (target.empty() || target.find(' ') != std::string_view::npos) malformed("the request target holds a space");
  if (target.size() > limits.target_bytes) {
    throw HttpRefusal(414, "target_too_long",
                      "the request target is over " + std::to_string(limits.target_bytes) + " bytes");
  }
  if (std::find(kMethods.begin(), kMethods.end(), method) == kMethods.end()) {
    throw HttpRefusal(501, "unknown_method", "this server knows GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS");
  }
  head.method = method;
  parse_target(target, head);
}

void parse_header_line(std::string_view line, const HttpLimits& limits, RequestHead& head) {
  if (line.starts_with(' ') || line.starts_with('\t')) malformed("folded header lines are obsolete: use one line");
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    malformed("a header line is not 'Name: value'");
  }
  const std::string_view value = trim(line.substr(colon + 1));
  if (std::any_of(value.begin(), value.end(), [](char c) { return is_control(c) && c != '\t'; })) {
    malformed("control character in a header value");
  }
  if (head.headers.size() >= limits.header_count) {
    throw HttpRefusal(431, "headers_too_large", "over " + std::to_string(limits.header_count) + " header fields");
  }
  head.headers.push_back({to_lower(line.substr(0, colon)), std::string(value)});
}

/// The value of a header that may stand once at most.
std::optional<std::string_view> single(const RequestHead& head, std::string_view name) {
  std::optional<std::string_view> value;
  for (const HeaderField& field : head.headers) {
    if (field.name != name) continue;
    if (value) malformed("the header " + std::string(name) + " stands twice");
    value = field.value;
  }
  return value;
}

// RFC 9112 section 6.3. Two framings in one request, or two lengths, is how requests are smuggled past a proxy.
void read_framing(const HttpLimits& limits, RequestHead& head) {
  const auto length = single(head, "content-length");
  const auto coding = single(head, "transfer-encoding");
  if (coding && length) malformed("both Transfer-Encoding and Content-Length");
  if (coding) {
    throw HttpRefusal(411, "length_required", "Transfer-Encoding is not accepted: send Content-Length");
  }
  if (!length) return;
  if (length->empty() || length->find_first_not_of("0123456789") != std::string_view::npos) {
    malformed("Content-Length is not a whole number");
  }
  const std::uint64_t limit = head.method == "POST" ? limits.body_bytes : limits.idle_body_bytes;
  const auto parsed = std::from_chars(length->data(), length->data() + length->size(), head.content_length);
  if (parsed.ec != std::errc{} || head.content_length > limit) {
    throw HttpRefusal(413, "too_large",
                      "the body of " + std::string(length->substr(0, 20)) + " bytes is over the limit of " +
                          std::to_string(limit) + " bytes");
  }
}

void read_connection(RequestHead& head) {
  head.keep_alive = head.minor_version >= 1;
  for (const HeaderField& field : head.headers) {
    if (field.name != "connection") continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const auto comma = std::min(rest.find(','), rest.size());
      const std::string option = to_lower(trim(rest.substr(0, comma)));
      if (option == "close") head.keep_alive = false;
      if (option == "keep-alive" && head.minor_version == 0) head.keep_alive = true;
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
}

void read_expectation(RequestHead& head) {
  const auto expect = single(head, "expect");
  if (!expect || head.minor_version == 0) return;
  if (to_lower(*expect) != "100-continue") {
    throw HttpRefusal(417, "expectation_failed", "the only expectation known here is 100-continue");
  }
  head.expects_continue = head.content_length > 0;
}

std::string unquote(std::string_view& rest) {
  std::string value;
  rest.remove_prefix(1);
  while (!rest.empty() && rest.front() != '"') {
    if (rest.front() == '\\' && rest.size() > 1) rest.remove_prefix(1);
    value += rest.front();
    rest.remove_prefix(1);
  }
  if (rest.empty()) malformed("a quoted string in a header has no end");
  rest.remove_prefix(1);
  return value;
}

}  // namespace

std::string percent_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0 || high + low == 0) malformed("a bad %XX escape in the request target");
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return decoded;
}

ParameterisedValue parse_parameters(std::string_view text) {
  ParameterisedValue result;
  const auto end = std::min(text.find(';'), text.size());
  result.value = to_lower(trim(text.substr(0, end)));
  text.remove_prefix(end);
  while (!text.empty()) {
    text.remove_prefix(1);  // the ';'
    text = text.substr(std::min(text.find_first_not_of(" \t"), text.size()));
    if (text.empty() || text.front() == ';') continue;
    const auto equals = text.find('=');
    if (equals == std::string_view::npos || !is_token(text.substr(0, equals))) {
      malformed("a header parameter is not name=value");
    }
    const std::string name = to_lower(text.substr(0, equals));
    text.remove_prefix(equals + 1);
    std::string value;
    if (text.starts_with('"')) {
      value = unquote(text);
      text = text.substr(std::min(text.find_first_not_of(" \t"), text.size()));
      if (!text.empty() && text.front() != ';') malformed("text after a quoted header parameter");
    } else {
      const auto stop = std::min(text.find(';'), text.size());
      value = trim(text.substr(0, stop));
      text.remove_prefix(stop);
    }
    result.parameters.emplace(name, std::move(value));
  }
  return result;
}

void check_request_line(std::string_view line, const HttpLimits& limits) {
  RequestHead ignored;
  parse_request_line(line, limits, ignored);
}

RequestHead parse_request_head(std::string_view head_text, const HttpLimits& limits) {
  RequestHead head;
  bool first = true;
  while (!head_text.empty()) {
    const auto end = head_text.find("\r\n");
    if (end == std::string_view::npos) malformed("a header line does not end in CRLF");
    const std::string_view line = head_text.substr(0, end);
    head_text.remove_prefix(end + 2);
    if (line.empty()) break;
    if (first) {
      parse_request_line(line, limits, head);
    } else {
      parse_header_line(line, limits, head);
    }
    first = false;
  }
  if (first) malformed("the request is empty");
  if (!single(head, "host") && head.minor_version >= 1) malformed("HTTP/1.1 needs a Host header");
  single(head, "content-type");
  read_framing(limits, head);
  read_connection(head);
  read_expectation(head);
  return head;
}

}  // namespace pulmo::serving
