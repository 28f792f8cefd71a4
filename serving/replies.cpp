#include "serving/replies.h"

#include <utility>

#include "serving/reasons.h"

namespace pulmo::serving {
namespace {

HttpResponse refused(int status, const std::string& code, const std::string& message, const std::string& id) {
  HttpResponse response = error_response(status, code, message, id);
  if (status == 503) response.headers.push_back({"Retry-After", "1"});
  return response;
}

}  // namespace

HttpResponse json_reply(std::string body) {
  HttpResponse response;
  response.body = std::move(body);
  response.headers.push_back({"Cache-Control", "no-store"});
  return response;
}

HttpResponse refusal_reply(const std::string& code, const std::string& message, const std::string& request_id) {
  return refused(status_of(code), code, message, request_id);
}

HttpResponse refusal_reply(const HttpRefusal& refusal, const std::string& request_id) {
  return refused(refusal.status(), refusal.code(), refusal.what(), request_id);
}

}  // namespace pulmo::serving
