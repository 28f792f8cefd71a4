#include "serving/routes.h"

#include <map>
#include <memory>
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

struct PageAnswer {
  const PageFile& file;
  std::string etag;
};

HttpResponse page_reply(const HttpRequest& request, const PageAnswer& page) {
  HttpResponse response;
  response.content_type = std::string(content_type_of(page.file.path));
  response.headers = {{"Cache-Control", "no-cache"},
                      {"ETag", page.etag},
                      {"Content-Security-Policy", std::string(kContentSecurityPolicy)},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cross-Origin-Opener-Policy", "same-origin"},
                      {"Permissions-Policy", "camera=(), microphone=(), geolocation=()"}};
  if (request.head.header("if-none-match") == page.etag) {
    response.status = 304;
  } else {
    response.body = page.file.content;
  }
  return response;
}

/// `/` and everything that it loads: each embedded file of serving/web but the API's description.
void add_page(Router& router) {
  auto pages = std::make_shared<std::map<std::string, PageAnswer>>();
  for (const PageFile& file : page_files()) {
    if (file.path == "openapi.json") continue;
    pages->emplace(file.path, PageAnswer{file, '"' + sha256_hex(file.content).substr(0, 16) + '"'});
  }
  router.add("GET", "/", [pages](const HttpRequest& request, const auto&, const auto& respond) {
    respond(page_reply(request, pages->at("index.html")));
  });
  router.add("GET", "/page/{file}", [pages](const HttpRequest& request, const auto& values, const auto& respond) {
    const auto found = pages->find(values.at("file"));
    respond(found == pages->end() ? error_response(404, "not_found", "the page has no such file", request.id)
                                  : page_reply(request, found->second));
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
  add_page(router);
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
