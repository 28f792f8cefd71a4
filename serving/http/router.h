#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serving/http/connection.h"
#include "serving/http/message.h"
#include "serving/http/responder.h"

namespace pulmo::serving {

/// Which handler answers which method and path. Fill it before serving; const and thread-safe from then on.
class Router {
 public:
  /// The values of the `{name}` segments.
  using PathValues = std::map<std::string, std::string>;
  using Handler = std::function<void(HttpRequest request, const PathValues& values, const Responder& respond)>;
  /// Decides on the head, before the body is read; a reply refuses the request.
  using Check = std::function<std::optional<HttpResponse>(const RequestHead& head, const AdmissionInfo& info)>;

  /// `pattern` is a path whose segments may be `{name}`: "/v2/models/{model}". GET answers HEAD too.
  void add(std::string method, std::string pattern, Handler handler, Check check = {});

  /// 404 for an unknown path, 405 with Allow for a known one, else what the route's check says.
  std::optional<HttpResponse> admit(const RequestHead& head, const AdmissionInfo& info) const;
  /// Runs the handler; answers OPTIONS itself with 204 and Allow.
  void handle(HttpRequest request, const Responder& respond) const;

  /// (method, pattern) of each route, in order of registration.
  std::vector<std::pair<std::string, std::string>> routes() const;

 private:
  struct Route {
    std::string method;
    std::string pattern;
    std::vector<std::string> segments;
    Handler handler;
    Check check;
  };
  struct Match {
    const Route* route = nullptr;
    PathValues values;
    std::string allow;  ///< methods that the path knows; empty when the path is unknown
  };

  Match match(const std::string& method, const std::string& path) const;

  std::vector<Route> routes_;
};

}  // namespace pulmo::serving
