#include "serving/security/front_door.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace pulmo::serving {
namespace {

constexpr auto kLongestRetry = std::chrono::seconds(3600);

bool contains(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool below(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

HttpResponse unauthorized(const std::string& id) {
  HttpResponse response = error_response(
      401, "unauthorized", "a key of this server is needed: Authorization: Bearer KEY, or X-API-Key: KEY", id);
  response.headers.push_back({"WWW-Authenticate", "Bearer realm=\"pulmo\""});
  return response;
}

HttpResponse rate_limited(std::chrono::duration<double> wait, const std::string& id) {
  const auto seconds = std::clamp<std::int64_t>(std::llround(std::ceil(wait.count())), 1, kLongestRetry.count());
  HttpResponse response = error_response(
      429, "rate_limited", "too many requests: the next one is taken in " + std::to_string(seconds) + " s", id);
  response.headers.push_back({"Retry-After", std::to_string(seconds)});
  return response;
}

HttpResponse cross_site(const std::string& id) {
  return error_response(403, "cross_site",
                        "a page of another origin asked for this: security.origins says which may, and a proxy must "
                        "pass the Host header on as it came",
                        id);
}

/// Whether `origin` (RFC 6454) is that of this server, as the client calls it. The scheme does not count: behind a
/// proxy with TLS the server cannot know its own.
bool is_own(std::string_view origin, std::string_view host) {
  const auto scheme = origin.find("://");
  return scheme != std::string_view::npos && to_lower(origin.substr(scheme + 3)) == to_lower(host);
}

void allow_origin(const std::string& origin, bool preflight, HttpResponse& response) {
  response.headers.push_back({"Vary", "Origin"});
  if (origin.empty()) return;
  response.headers.push_back({"Access-Control-Allow-Origin", origin});
  response.headers.push_back(
      {"Access-Control-Expose-Headers", "X-Request-Id, Retry-After, Location, Inference-Header-Content-Length"});
  if (!preflight) return;
  for (const HeaderField& field : response.headers) {
    if (field.name != "Allow") continue;
    response.headers.push_back({"Access-Control-Allow-Methods", field.value});
    break;
  }
  response.headers.push_back({"Access-Control-Allow-Headers",
                              "Authorization, Content-Disposition, Content-Type, Inference-Header-Content-Length, "
                              "Prefer, X-API-Key"});
  response.headers.push_back({"Access-Control-Max-Age", "600"});
}

}  // namespace

bool is_open(const RequestHead& head, bool open_metrics) {
  const std::string_view path = head.path;
  if (head.method == "OPTIONS") return true;
  if (head.method != "GET" && head.method != "HEAD") return false;
  if (path == "/v2/health/live" || path == "/v2/health/ready") return true;
  if (path == "/metrics") return open_metrics;
  return !below(path, "/v1") && !below(path, "/v2") && !below(path, "/metrics");
}

FrontDoor::FrontDoor(FrontDoorOptions options, const Router& router)
    : options_(std::move(options)), router_(router), keys_(options_.keys_file), limiter_(options_.rate) {}

std::optional<HttpResponse> FrontDoor::admit(const RequestHead& head, const AdmissionInfo& info) {
  std::optional<HttpResponse> refusal = check(head, info);
  if (!refusal) refusal = router_.admit(head, info);
  if (refusal && !options_.origins.empty()) allow_origin(allowed_origin(head), false, *refusal);
  return refusal;
}

std::optional<HttpResponse> FrontDoor::check(const RequestHead& head, const AdmissionInfo& info) {
  if (is_cross_site(head)) return cross_site(info.id);
  if (is_open(head, options_.open_metrics)) return std::nullopt;
  const auto now = Clock::now();
  std::string client;
  if (keys_.required()) {
    keys_.reload_if_changed(now);
    const std::optional<std::string> owner = keys_.owner(head);
    if (!owner) return unauthorized(info.id);
    client = "key " + *owner;
  } else {
    client = client_network(client_of(head, info));
  }
  if (const auto wait = limiter_.take(client, now)) return rate_limited(*wait, info.id);
  return std::nullopt;
}

/// A browser asks here on its user's network, whatever page it shows: one of another origin must not make it act. Pages
/// cannot write the two headers; where a browser says Sec-Fetch-Site (to HTTPS and its own machine) that is what it has
/// found out, and Origin is compared where it does not. Programs say neither.
bool FrontDoor::is_cross_site(const RequestHead& head) const {
  if (head.method == "GET" || head.method == "HEAD" || head.method == "OPTIONS") return false;
  if (contains(options_.origins, "*") || !allowed_origin(head).empty()) return false;
  const std::string_view site = head.header("sec-fetch-site");
  if (!site.empty()) return site != "same-origin" && site != "none";
  const std::string_view origin = head.header("origin");
  return !origin.empty() && !is_own(origin, head.header("host"));
}

/// Behind a proxy that we trust: the last address in X-Forwarded-For, which that proxy has written itself.
std::string FrontDoor::client_of(const RequestHead& head, const AdmissionInfo& info) const {
  if (!contains(options_.trusted_proxies, info.client)) return info.client;
  std::string_view list;
  for (const HeaderField& field : head.headers) {
    if (field.name == "x-forwarded-for") list = field.value;
  }
  const auto comma = list.rfind(',');
  const std::string last(trim(comma == std::string_view::npos ? list : list.substr(comma + 1)));
  return is_address(last) ? last : info.client;
}

std::string FrontDoor::allowed_origin(const RequestHead& head) const {
  const std::string_view origin = head.header("origin");
  if (origin.empty()) return {};
  if (contains(options_.origins, "*")) return "*";
  return contains(options_.origins, origin) ? std::string(origin) : std::string();
}

void FrontDoor::handle(HttpRequest request, const Responder& respond) const {
  if (options_.origins.empty()) {
    router_.handle(std::move(request), respond);
    return;
  }
  const bool preflight = request.head.method == "OPTIONS";
  const std::string origin = allowed_origin(request.head);
  const Responder decorated(
      [respond, origin, preflight](HttpResponse response) {
        allow_origin(origin, preflight, response);
        respond(std::move(response));
      },
      request.id);
  router_.handle(std::move(request), decorated);
}

}  // namespace pulmo::serving
