#include "serving/http/router.h"

#include <algorithm>

namespace pulmo::serving {
namespace {

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    path.remove_prefix(1);  // the '/'
    const auto end = std::min(path.find('/'), path.size());
    segments.emplace_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return segments;
}

bool is_variable(const std::string& segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& path, Router::PathValues& values) {
  if (pattern.size() != path.size()) return false;
  Router::PathValues found;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (is_variable(pattern[i]) && !path[i].empty()) {
      found[pattern[i].substr(1, pattern[i].size() - 2)] = path[i];
    } else if (pattern[i] != path[i]) {
      return false;
    }
  }
  values = std::move(found);
  return true;
}

void add_allowed(std::string& allow, const std::string& method) {
  if (allow.empty()) allow = "OPTIONS";
  allow += ", " + method;
  if (method == "GET") allow += ", HEAD";
}

}  // namespace

void Router::add(std::string method, std::string pattern, Handler handler, Check check) {
  std::vector<std::string> segments = split_path(pattern);
  routes_.push_back({std::move(method), std::move(pattern), std::move(segments), std::move(handler), std::move(check)});
}

Router::Match Router::match(const std::string& method, const std::string& path) const {
  const std::string wanted = method == "HEAD" ? "GET" : method;
  const std::vector<std::string> segments = split_path(path);
  Match match;
  for (const Route& route : routes_) {
    PathValues values;
    if (path != "*" && !fits(route.segments, segments, values)) continue;
    if (path != "*" || match.allow.find(route.method) == std::string::npos) add_allowed(match.allow, route.method);
    if (path != "*" && route.method == wanted && match.route == nullptr) {
      match.route = &route;
      match.values = std::move(values);
    }
  }
  return match;
}

std::optional<HttpResponse> Router::admit(const RequestHead& head, const AdmissionInfo& info) const {
  const Match found = match(head.method, head.path);
  if (found.allow.empty()) {
    return error_response(404, "not_found", "no such address here; GET /openapi.json lists what there is", info.id);
  }
  if (head.method == "OPTIONS") return std::nullopt;
  if (found.route == nullptr) {
    HttpResponse response =
        error_response(405, "method_not_allowed", head.method + " is not possible here, but: " + found.allow, info.id);
    response.headers.push_back({"Allow", found.allow});
    return response;
  }
  if (!found.route->check) return std::nullopt;
  auto refusal = found.route->check(head, info);
  if (refusal) refusal->route = found.route->pattern;
  return refusal;
}

void Router::handle(HttpRequest request, const Responder& respond) const {
  const Match found = match(request.head.method, request.head.path);
  if (request.head.method == "OPTIONS") {
    HttpResponse response;
    response.status = 204;
    response.headers.push_back({"Allow", found.allow});
    respond(std::move(response));
    return;
  }
  if (found.route == nullptr) {
    respond(error_response(404, "not_found", "no such address here", request.id));
    return;
  }
  const Responder named(
      [respond, pattern = found.route->pattern](HttpResponse response) {
        response.route = pattern;
        respond(std::move(response));
      },
      request.id);
  found.route->handler(std::move(request), found.values, named);
}

std::vector<std::pair<std::string, std::string>> Router::routes() const {
  std::vector<std::pair<std::string, std::string>> list;
  for (const Route& route : routes_) list.emplace_back(route.method, route.pattern);
  return list;
}

}  // namespace pulmo::serving
