#include "serving/routes.h"

#include <string>
#include <string_view>
#include <utility>

#include "core/support/digest.h"
#include "core/support/version.h"
#include "serving/json.h"
#include "serving/page.h"
#include "serving/predict_route.h"
#include "serving/reasons.h"

namespace pulmo::serving {
namespace {

// Nothing from elsewhere, no inline script or style; pictures also from the page's own memory.
constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

HttpResponse json_reply(std::string body) {
  HttpResponse response;
  response.body = std::move(body);
  response.headers.push_back({"Cache-Control", "no-store"});
  return response;
}

HttpResponse page_reply(const HttpRequest& request, const PageFile& file, const std::string& content_type,
                        const std::string& etag) {
  HttpResponse response;
  response.content_type = content_type;
  response.headers = {{"Cache-Control", "no-cache"},
                      {"ETag", etag},
                      {"Content-Security-Policy", std::string(kContentSecurityPolicy)},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cross-Origin-Opener-Policy", "same-origin"},
                      {"Permissions-Policy", "camera=(), microphone=(), geolocation=()"}};
  if (request.head.header("if-none-match") == etag) {
    response.status = 304;
  } else {
    response.body = file.content;
  }
  return response;
}

void add_page(Router& router, const std::string& path, std::string_view name, const std::string& content_type) {
  const PageFile& file = page_file(name);
  const std::string etag = '"' + sha256_hex(file.content).substr(0, 16) + '"';
  router.add("GET", path, [&file, content_type, etag](const HttpRequest& request, const auto&, const auto& respond) {
    respond(page_reply(request, file, content_type, etag));
  });
}

void add_fixed(Router& router, const std::string& path, std::string body) {
  router.add("GET", path, [body = std::move(body)](const HttpRequest&, const auto&, const auto& respond) {
    respond(json_reply(body));
  });
}

/// A GET of the one model there is; 404 for any other name or version.
void add_model_route(Router& router, const std::string& pattern, const BundleMetadata& metadata,
                     const std::function<HttpResponse()>& reply) {
  router.add(
      "GET", pattern,
      [&metadata, reply](const HttpRequest& request, const Router::PathValues& values, const auto& respond) {
        const auto version = values.find("version");
        const bool known =
            values.at("model") == metadata.row && (version == values.end() || version->second == metadata.version);
        respond(known ? reply()
                      : error_response(404, "unknown_model",
                                       "this server has the model " + metadata.row + ", version " + metadata.version,
                                       request.id));
      });
}

HttpResponse ready_reply(bool ready) {
  HttpResponse response = json_reply(flag_json("ready", ready));
  if (!ready) {
    response.status = 503;
    response.headers.push_back({"Retry-After", "1"});
  }
  return response;
}

void add_health(Router& router, const RouteContext& context) {
  add_fixed(router, "/v2/health/live", flag_json("live", true));
  router.add("GET", "/v2/health/ready", [&ready = context.ready](const HttpRequest&, const auto&, const auto& respond) {
    respond(ready_reply(ready));
  });
}

void add_models(Router& router, const RouteContext& context) {
  const Predictor& predictor = context.service.predictor();
  const BundleMetadata& metadata = predictor.metadata();
  add_fixed(router, "/v2", server_json(metadata.row));
  const auto describe = [body = model_json(metadata, predictor.sha256())] { return json_reply(body); };
  const auto ready = [&is_ready = context.ready] { return ready_reply(is_ready); };
  for (const std::string version : {"", "/versions/{version}"}) {
    add_model_route(router, "/v2/models/{model}" + version, metadata, describe);
    add_model_route(router, "/v2/models/{model}" + version + "/ready", metadata, ready);
  }
}

void add_metrics(Router& router, const Metrics& metrics) {
  router.add("GET", "/metrics", [&metrics](const HttpRequest&, const auto&, const auto& respond) {
    HttpResponse response;
    response.content_type = Metrics::kContentType;
    response.headers.push_back({"Cache-Control", "no-store"});
    response.body = metrics.text();
    respond(std::move(response));
  });
}

std::string openapi_document() {
  static constexpr std::string_view kMark = "@PULMO_VERSION@";
  std::string document(page_file("openapi.json").content);
  document.replace(document.find(kMark), kMark.size(), version());
  return document;
}

}  // namespace

Router make_routes(const RouteContext& context) {
  Router router;
  add_page(router, "/", "index.html", "text/html; charset=utf-8");
  for (const std::string name : {"app.js", "result.js", "words.js"}) {
    add_page(router, "/" + name, name, "text/javascript; charset=utf-8");
  }
  add_page(router, "/style.css", "style.css", "text/css; charset=utf-8");
  add_page(router, "/favicon.svg", "favicon.svg", "image/svg+xml");
  add_fixed(router, "/openapi.json", openapi_document());
  Service& service = context.service;
  router.add(
      "POST", "/v1/predict",
      [&service](HttpRequest request, const auto&, const Responder& respond) {
        answer_predict(service, std::move(request), respond);
      },
      [&service](const RequestHead& head, const AdmissionInfo& info) { return admit_predict(service, head, info); });
  add_health(router, context);
  add_models(router, context);
  add_metrics(router, context.metrics);
  return router;
}

}  // namespace pulmo::serving
