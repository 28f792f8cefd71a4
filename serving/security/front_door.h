#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "serving/http/router.h"
#include "serving/security/api_keys.h"
#include "serving/security/rate_limiter.h"

namespace pulmo::serving {

struct FrontDoorOptions {
  std::filesystem::path keys_file;           ///< see ApiKeys; empty: anyone may ask
  bool open_metrics = true;                  ///< /metrics needs no key
  std::vector<std::string> trusted_proxies;  ///< addresses whose X-Forwarded-For tells the client's
  RateLimit rate;                            ///< of each key; without keys, of each address
  std::vector<std::string> origins;          ///< whose pages may use this server from a browser; "*": all
};

/// Whether a page, a file of it, an API description or a health check is asked for: open to all, and not counted.
/// Everything else needs a key where keys are used. Pure.
bool is_open(const RequestHead& head, bool open_metrics);

/// Stands before the router: keys, rate limit, and requests of other origins (the Fetch standard's CORS protocol; what
/// a browser sends without asking first is refused).
/// Thread-safe.
class FrontDoor {
 public:
  /// `router` must outlive it. Throws as ApiKeys.
  FrontDoor(FrontDoorOptions options, const Router& router);

  /// 403 `cross_site`, 401 `unauthorized` or 429 `rate_limited`, else what the router says; before a byte of the body
  /// is read.
  std::optional<HttpResponse> admit(const RequestHead& head, const AdmissionInfo& info);
  void handle(HttpRequest request, const Responder& respond) const;

  /// Reads the keys again. Throws as ApiKeys::reload().
  void reload() { keys_.reload(); }

 private:
  std::optional<HttpResponse> check(const RequestHead& head, const AdmissionInfo& info);
  bool is_cross_site(const RequestHead& head) const;
  std::string client_of(const RequestHead& head, const AdmissionInfo& info) const;
  std::string allowed_origin(const RequestHead& head) const;

  const FrontDoorOptions options_;
  const Router& router_;
  ApiKeys keys_;
  RateLimiter limiter_;
};

}  // namespace pulmo::serving
