#include "serving/http/message.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <nlohmann/json.hpp>

namespace pulmo::serving {
namespace {

struct Phrase {
  int status;
  std::string_view text;
};

constexpr std::array<Phrase, 26> kPhrases{{{200, "OK"},
                                           {202, "Accepted"},
                                           {204, "No Content"},
                                           {304, "Not Modified"},
                                           {400, "Bad Request"},
                                           {401, "Unauthorized"},
                                           {403, "Forbidden"},
                                           {404, "Not Found"},
                                           {405, "Method Not Allowed"},
                                           {406, "Not Acceptable"},
                                           {408, "Request Timeout"},
                                           {409, "Conflict"},
                                           {411, "Length Required"},
                                           {413, "Content Too Large"},
                                           {414, "URI Too Long"},
                                           {415, "Unsupported Media Type"},
                                           {417, "Expectation Failed"},
                                           {422, "Unprocessable Content"},
                                           {429, "Too Many Requests"},
                                           {431, "Request Header Fields Too Large"},
                                           {500, "Internal Server Error"},
                                           {501, "Not Implemented"},
                                           {502, "Bad Gateway"},
                                           {503, "Service Unavailable"},
                                           {504, "Gateway Timeout"},
                                           {505, "HTTP Version Not Supported"}}};

// RFC 9110 section 5.6.7; written by hand because strftime's names follow the locale.
std::string http_date(std::time_t now) {
  static constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                kDays.at(static_cast<std::size_t>(parts.tm_wday)), parts.tm_mday,
                kMonths.at(static_cast<std::size_t>(parts.tm_mon)), parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                parts.tm_sec);
  return text.data();
}

void append_header(std::string& wire, std::string_view name, std::string_view value) {
  wire.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

std::string_view RequestHead::header(std::string_view name) const {
  for (const HeaderField& field : headers) {
    if (field.name == name) return field.value;
  }
  return {};
}

std::string_view reason_phrase(int status) {
  const auto found = std::find_if(kPhrases.begin(), kPhrases.end(),
                                  [status](const Phrase& phrase) { return phrase.status == status; });
  return found == kPhrases.end() ? "Unknown" : found->text;
}

HttpResponse error_response(int status, const std::string& code, const std::string& message,
                            const std::string& request_id) {
  nlohmann::ordered_json document;
  document["error"] = {{"code", code}, {"message", message}, {"request_id", request_id}};
  HttpResponse response;
  response.status = status;
  response.code = code;
  response.body = document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  return response;
}

std::string serialise(const HttpResponse& response, const WireOptions& options) {
  const bool has_body = response.status != 204 && response.status != 304;
  std::string wire;
  wire.reserve(512 + response.body.size());
  wire.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
  wire.append(reason_phrase(response.status)).append("\r\n");
  append_header(wire, "Date", http_date(std::time(nullptr)));
  append_header(wire, "Server", "pulmo");
  if (has_body) {
    append_header(wire, "Content-Type", response.content_type);
    append_header(wire, "Content-Length", std::to_string(response.body.size()));
  }
  append_header(wire, "Connection", options.keep_alive ? "keep-alive" : "close");
  append_header(wire, "X-Request-Id", options.request_id);
  append_header(wire, "X-Content-Type-Options", "nosniff");
  for (const HeaderField& field : response.headers) append_header(wire, field.name, field.value);
  wire.append("\r\n");
  if (has_body && !options.head_only) wire.append(response.body);
  return wire;
}

std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace pulmo::serving
