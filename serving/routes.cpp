#include "serving/routes.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/support/digest.h"
#include "core/support/version.h"
#include "serving/explain_route.h"
#include "serving/json.h"
#include "serving/open_inference.h"
#include "serving/open_inference_routes.h"
#include "serving/page.h"
#include "serving/predict_route.h"
#include "serving/reasons.h"
#include "serving/replies.h"

namespace pulmo::serving {
namespace {

// Nothing from elsewhere, no inline script or style; pictures also from the page's own memory.
constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct PageAnswer {
  const PageFile& file;
  std::string etag;
};

/// Whether If-None-Match names this version: a list or *, compared weakly (RFC 9110 section 13.1.2), since a proxy that
/// compresses marks what we called strong as weak. No tag of ours has a comma in it.
bool client_has(const RequestHead& head, std::string_view etag) {
  for (const HeaderField& field : head.headers) {
    if (field.name != "if-none-match") continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      const auto end = std::min(rest.find(','), rest.size());
      std::string_view tag = trim(rest.substr(0, end));
      if (tag.starts_with("W/")) tag.remove_prefix(2);
      if (tag == etag || tag == "*") return true;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return false;
}

HttpResponse page_reply(const HttpRequest& request, const PageAnswer& page) {
  HttpResponse response;
  response.content_type = std::string(content_type_of(page.file.path));
  response.headers = {{"Cache-Control", "no-cache"},
                      {"ETag", page.etag},
                      {"Content-Security-Policy", std::string(kContentSecurityPolicy)},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cross-Origin-Opener-Policy", "same-origin"},
                      {"Permissions-Policy", "camera=(), microphone=(), geolocation=()"}};
  if (client_has(request.head, page.etag)) {
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

void add_computed(Router& router, const std::string& path, const std::function<std::string()>& body) {
  router.add("GET", path,
             [body](const HttpRequest&, const auto&, const auto& respond) { respond(json_reply(body())); });
}

HttpResponse ready_reply(bool ready, std::string body) {
  HttpResponse response = json_reply(std::move(body));
  if (!ready) {
    response.status = 503;
    response.headers.push_back({"Retry-After", "1"});
  }
  return response;
}

void add_health(Router& router, const RouteContext& context) {
  add_fixed(router, "/v2/health/live", flag_json("live", true));
  router.add("GET", "/v2/health/ready", [context](const HttpRequest&, const auto&, const auto& respond) {
    const bool ready = context.ready && context.service.models().ready();
    respond(ready_reply(ready, flag_json("ready", ready)));
  });
}

HttpResponse no_such_model(const std::string& id) {
  return inference_error(
      error_response(404, "unknown_model", "no such model here; GET /v1/models lists what there is", id));
}

std::string version_of(const Router::PathValues& values) {
  const auto found = values.find("version");
  return found == values.end() ? "" : found->second;
}

HttpResponse describe(const ModelRepository& models, const Router::PathValues& values, const std::string& id) {
  const auto model = models.find(values.at("model"), version_of(values));
  if (model == nullptr) return no_such_model(id);
  std::vector<std::string> versions;
  for (const auto& other : models.models()) {
    if (other->name() == model->name()) versions.push_back(other->version());
  }
  return json_reply(model_json(*model, versions));
}

HttpResponse tell_ready(const RouteContext& context, const Router::PathValues& values, const std::string& id) {
  const ModelRepository& models = context.service.models();
  const std::string& name = values.at("model");
  if (!models.knows(name, version_of(values))) return no_such_model(id);
  const bool ready = context.ready && models.find(name, version_of(values)) != nullptr;
  return ready_reply(ready, model_ready_json(name, ready));
}

void add_models(Router& router, const RouteContext& context) {
  const ModelRepository& models = context.service.models();
  add_computed(router, "/v1/models", [&models] { return models_json(models); });
  add_computed(router, "/v2", [&models] { return server_json(models); });
  for (const std::string version : {"", "/versions/{version}"}) {
    router.add("GET", "/v2/models/{model}" + version,
               [&models](const HttpRequest& request, const Router::PathValues& values, const auto& respond) {
                 respond(describe(models, values, request.id));
               });
    router.add("GET", "/v2/models/{model}" + version + "/ready",
               [context](const HttpRequest& request, const Router::PathValues& values, const auto& respond) {
                 respond(tell_ready(context, values, request.id));
               });
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
  add_predict_routes(router, {context.service, context.jobs, context.limits});
  add_explain_route(router, {context.service, context.explainer, context.limits});
  add_health(router, context);
  add_models(router, context);
  add_open_inference(router, context);
  add_metrics(router, context.metrics);
  return router;
}

}  // namespace pulmo::serving
