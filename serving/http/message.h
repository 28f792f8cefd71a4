#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/support/bytes.h"

namespace pulmo::serving {

using Clock = std::chrono::steady_clock;

/// One header field. Names of requests are lower-case; names of replies are written as they stand.
struct HeaderField {
  std::string name;
  std::string value;
};

/// What a request says before its body (RFC 9112 section 3 and 5).
struct RequestHead {
  std::string method;                        ///< one of the methods the reader knows
  std::string path;                          ///< percent-decoded, begins with '/', without the query
  std::map<std::string, std::string> query;  ///< percent-decoded; the first of several equal names
  std::vector<HeaderField> headers;          ///< in order of arrival
  int minor_version = 1;                     ///< HTTP/1.minor
  bool keep_alive = true;                    ///< what the client wishes
  bool expects_continue = false;             ///< waits for "100 Continue" before it sends the body
  std::uint64_t content_length = 0;          ///< bytes of the body

  /// Empty when the header is absent.
  std::string_view header(std::string_view name) const;
};

/// One part of a multipart/form-data body (RFC 7578).
struct Part {
  std::string name;
  std::string filename;  ///< as the client wrote it: it may hold a person's name, so never log it
  bool has_filename = false;
  std::string content_type;  ///< lower-case, without parameters
  Bytes data;
};

class UploadLease;

/// A complete request. The body is in `parts` when it was multipart/form-data, else in `body`.
struct HttpRequest {
  RequestHead head;
  Bytes body;
  std::vector<Part> parts;
  bool multipart = false;
  std::string id;             ///< of this request, in every reply and log line
  Clock::time_point started;  ///< when its first byte arrived
  std::shared_ptr<UploadLease> lease;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<HeaderField> headers;
  std::string route;   ///< the template of the route that answered; empty when none did
  std::string code;    ///< of the error, "" when it is none: the reason in pulmo_rejected_total
  bool close = false;  ///< end the connection after this reply
};

/// The request cannot be served: caught by the reader's owner and turned into an error reply.
class HttpRefusal : public std::runtime_error {
 public:
  HttpRefusal(int status, std::string code, const std::string& message)
      : std::runtime_error(message), status_(status), code_(std::move(code)) {}
  int status() const noexcept { return status_; }
  const std::string& code() const noexcept { return code_; }

 private:
  int status_;
  std::string code_;
};

/// "Not Found" for 404; "Unknown" for a status we never send.
std::string_view reason_phrase(int status);

/// {"error": {"code", "message", "request_id"}} with the status.
HttpResponse error_response(int status, const std::string& code, const std::string& message,
                            const std::string& request_id);

struct WireOptions {
  bool head_only = false;  ///< reply to HEAD: the headers of the body, not the body
  bool keep_alive = true;
  std::string request_id;
};

/// The bytes of a reply: status line, Date, Content-Type, Content-Length, Connection (always explicit), X-Request-Id,
/// nosniff, the reply's own headers, body.
std::string serialise(const HttpResponse& response, const WireOptions& options);

/// Lower-case ASCII.
std::string to_lower(std::string_view text);
/// Without spaces and tabs at both ends.
std::string_view trim(std::string_view text);

}  // namespace pulmo::serving
