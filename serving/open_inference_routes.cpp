#include "serving/open_inference_routes.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "core/support/error.h"
#include "core/support/log.h"
#include "serving/infer_request.h"
#include "serving/infer_samples.h"
#include "serving/open_inference.h"
#include "serving/reasons.h"

namespace pulmo::serving {
namespace {

constexpr std::uint64_t kMostControlBytes = 65536;  // of a request to the repository
constexpr const char* kShuttingDown = "the server is shutting down";
constexpr const char* kLengthHeader = "inference-header-content-length";

HttpResponse refusal(const std::string& code, const std::string& message, const std::string& id) {
  HttpResponse response = inference_error(error_response(status_of(code), code, message, id));
  if (response.status == 503) response.headers.push_back({"Retry-After", "1"});
  return response;
}

HttpResponse refusal(const HttpRefusal& error, const std::string& id) {
  return refusal(error.code(), error.what(), id);
}

/// The model of the path, or why it does not answer.
std::shared_ptr<ServedModel> model_of(const ModelRepository& models, const Router::PathValues& values) {
  const std::string& name = values.at("model");
  const auto found = values.find("version");
  const std::string version = found == values.end() ? "" : found->second;
  if (auto model = models.find(name, version)) return model;
  if (models.knows(name, version)) throw HttpRefusal(503, "not_ready", "the model does not answer now");
  throw HttpRefusal(404, "unknown_model", "no such model; POST /v2/repository/index lists what there is");
}

/// One inference on its way: the body, which its request points into, stays until the samples are made.
struct Inference {
  HttpRequest http;
  std::shared_ptr<ServedModel> model;
  InferRequest request;
};

HttpResponse reply_of(const Inference& inference, const Answer& answer, const std::string& id) {
  if (const auto* failure = std::get_if<ServiceFailure>(&answer)) return refusal(failure->code, failure->message, id);
  std::vector<Prediction> predictions;
  const auto& outcomes = std::get<std::vector<SliceOutcome>>(answer);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (const auto* bad = std::get_if<SliceFailure>(&outcomes[i])) {
      return refusal(bad->code, "sample " + std::to_string(i) + ": " + bad->message, id);
    }
    predictions.push_back(std::get<Prediction>(outcomes[i]));
  }
  return inference_reply(inference.request, *inference.model, predictions);
}

/// Numbers of the largest request there can be, or texts.
std::size_t most_values(const BundleMetadata& metadata, std::size_t samples) {
  const auto size = static_cast<std::size_t>(metadata.spec.size_px);
  const auto planes = static_cast<std::size_t>(metadata.channels * std::max<std::int64_t>(1, metadata.depth));
  return samples * planes * size * size;
}

/// On the pool: reading a large JSON takes longer than a thread that reads requests may stay away.
void start(Service& service, const std::shared_ptr<Inference>& inference, const Responder& respond) {
  HttpRequest& http = inference->http;
  const BundleMetadata& metadata = inference->model->metadata();
  inference->request =
      parse_infer_request(http.body, http.head.header(kLengthHeader), most_values(metadata, service.capacity()));
  check_outputs(inference->request);
  std::vector<Upload> samples = samples_of(inference->request, metadata, service.capacity());
  inference->request.inputs.clear();  // they point into the body
  http.body = {};
  http.lease.reset();
  service.predict(inference->model, std::move(samples), {}, [inference, respond](const Answer& answer) {
    respond(reply_of(*inference, answer, respond.request_id()));
  });
}

void answer_infer(Service& service, HttpRequest request, const Router::PathValues& values, const Responder& respond) {
  const std::string id = request.id;
  try {
    const auto inference = std::make_shared<Inference>();
    inference->model = model_of(service.models(), values);
    inference->http = std::move(request);
    const auto begin = [&service, inference, respond, id] {
      try {
        start(service, inference, respond);
      } catch (const HttpRefusal& error) {
        respond(refusal(error, id));
      } catch (const std::exception& error) {
        log_error("an inference request could not be read", {{"error", error.what()}});
        respond(refusal("internal", "internal error: see the server's log", id));
      }
    };
    service.run(begin, [respond, id] { respond(refusal("shutting_down", kShuttingDown, id)); });
  } catch (const HttpRefusal& error) {
    respond(refusal(error, id));
  }
}

std::optional<HttpResponse> admit_infer(const Service& service, const RequestHead& head, const AdmissionInfo& info) {
  if (info.late) return refusal("shutting_down", kShuttingDown, info.id);
  if (!head.header("content-encoding").empty()) {
    return refusal("unsupported_type", "a compressed body cannot be read: send it as it is", info.id);
  }
  if (head.header("content-type").starts_with("multipart/")) {
    return refusal("unsupported_type", "send JSON, or JSON followed by binary tensors", info.id);
  }
  if (!service.has_room()) return refusal("queue_full", "the server is busy: try again in a moment", info.id);
  return std::nullopt;
}

/// The JSON object of a request to the repository; a body that is empty stands for {}.
nlohmann::json control_body(const HttpRequest& request) {
  if (request.body.empty()) return nlohmann::json::object();
  nlohmann::json document = nlohmann::json::parse(as_text(request.body), nullptr, false);
  if (!document.is_object()) throw HttpRefusal(400, "malformed_request", "the body is no JSON object");
  return document;
}

std::optional<HttpResponse> admit_control(const RequestHead& head, const AdmissionInfo& info) {
  if (info.late) return refusal("shutting_down", kShuttingDown, info.id);
  if (head.content_length > kMostControlBytes) return refusal("too_large", "such a request holds little", info.id);
  return std::nullopt;
}

void answer_index(const ModelRepository& models, const HttpRequest& request, const Responder& respond) {
  try {
    const nlohmann::json body = control_body(request);
    const auto ready = body.find("ready");
    if (ready != body.end() && !ready->is_boolean()) {
      throw HttpRefusal(400, "bad_parameter", "\"ready\" is true or false");
    }
    HttpResponse response;
    response.body = index_json(models.index(), ready != body.end() && ready->get<bool>());
    response.headers.push_back({"Cache-Control", "no-store"});
    respond(std::move(response));
  } catch (const HttpRefusal& error) {
    respond(refusal(error, request.id));
  }
}

/// Nothing of how a model is loaded can be told by a client: what lies on the server's disk counts.
void check_control(const ModelRepository& models, const HttpRequest& request, bool loads) {
  if (!models.options().control) {
    throw HttpRefusal(403, "forbidden",
                      "models are not loaded and unloaded through this interface; models.control of "
                      "the configuration allows it");
  }
  const nlohmann::json body = control_body(request);
  const auto parameters = body.find("parameters");
  if (parameters == body.end()) return;
  if (!parameters->is_object()) throw HttpRefusal(400, "bad_parameter", "\"parameters\" is an object");
  for (const auto& [key, value] : parameters->items()) {
    if (loads || key != "unload_dependents") {
      throw HttpRefusal(400, "bad_parameter", "the parameter " + key + " is not known here");
    }
  }
}

void change(ModelRepository& models, const std::string& name, bool loads, const Responder& respond) {
  try {
    loads ? models.load(name) : models.unload(name);
    HttpResponse response;
    response.body = "{}\n";
    respond(std::move(response));
  } catch (const InvalidInput& error) {
    const bool known = is_reason(error.reason());
    respond(refusal(known ? error.reason() : "load_failed", error.what(), respond.request_id()));
  } catch (const std::exception& error) {
    log_error("the repository failed", {{"error", error.what()}});
    respond(refusal("internal", error.what(), respond.request_id()));
  }
}

/// Loading takes its time: it goes to the repository's own thread.
void answer_change(ModelRepository& models, const HttpRequest& request, const std::string& name, bool loads,
                   const Responder& respond) {
  try {
    check_control(models, request, loads);
    models.later([&models, name, loads, respond] { change(models, name, loads, respond); },
                 [respond, id = request.id] { respond(refusal("shutting_down", kShuttingDown, id)); });
  } catch (const HttpRefusal& error) {
    respond(refusal(error, request.id));
  }
}

}  // namespace

void add_open_inference(Router& router, const RouteContext& context) {
  Service& service = context.service;
  ModelRepository& models = service.models();
  for (const std::string version : {"", "/versions/{version}"}) {
    router.add(
        "POST", "/v2/models/{model}" + version + "/infer",
        [&service](HttpRequest request, const Router::PathValues& values, const Responder& respond) {
          answer_infer(service, std::move(request), values, respond);
        },
        [&service](const RequestHead& head, const AdmissionInfo& info) { return admit_infer(service, head, info); });
  }
  router.add(
      "POST", "/v2/repository/index",
      [&models](const HttpRequest& request, const auto&, const Responder& respond) {
        answer_index(models, request, respond);
      },
      admit_control);
  for (const bool loads : {true, false}) {
    router.add(
        "POST", std::string("/v2/repository/models/{model}/") + (loads ? "load" : "unload"),
        [&models, loads](const HttpRequest& request, const Router::PathValues& values, const Responder& respond) {
          answer_change(models, request, values.at("model"), loads, respond);
        },
        admit_control);
  }
}

}  // namespace pulmo::serving
