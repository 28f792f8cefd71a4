#include "serving/order.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "core/support/log.h"
#include "serving/prediction_json.h"
#include "serving/reasons.h"
#include "serving/replies.h"
#include "serving/report.h"

namespace pulmo::serving {
namespace {

constexpr const char* kShuttingDown = "the server is shutting down";

bool is_set(const RequestHead& head, const std::string& name) {
  const std::string value = value_of(head, name);
  if (value == "1") return true;
  if (value.empty() || value == "0") return false;
  throw HttpRefusal(400, "bad_parameter", name + " is 0 or 1");
}

/// Whether the Prefer header (RFC 7240) has the preference `respond-async`.
bool prefers_later(std::string_view header) {
  while (!header.empty()) {
    const auto end = std::min(header.find(','), header.size());
    const std::string_view preference = header.substr(0, end);
    if (to_lower(trim(preference.substr(0, preference.find(';')))) == "respond-async") return true;
    header.remove_prefix(std::min(end + 1, header.size()));
  }
  return false;
}

/// Bytes of no known kind: undecodable when they were called a picture, else simply not a type we take.
std::string reply_code(const SliceFailure& failure, bool declared) {
  return failure.code == "unknown_format" && !declared ? "unsupported_type" : failure.code;
}

/// No file could be used: the first one's error, for all of them.
ServiceFailure failure_of(const std::vector<SliceOutcome>& outcomes, const Order& order) {
  const auto& first = std::get<SliceFailure>(outcomes.front());
  std::string message = first.message;
  if (outcomes.size() > 1) {
    message += " (and the other " + std::to_string(outcomes.size() - 1) + " could not be used either)";
  }
  return {reply_code(first, order.declared.front()), std::move(message)};
}

/// Runs a step that may refuse the request, and replies when it does.
void guarded(const std::string& id, const Responder& respond, const std::function<void()>& step) {
  try {
    step();
  } catch (const HttpRefusal& refusal) {
    respond(refusal_reply(refusal, id));
  } catch (const std::exception& error) {
    log_error("a request could not be begun", {{"error", error.what()}, {"request_id", id}});
    respond(refusal_reply("internal", "internal error: see the server's log", id));
  }
}

}  // namespace

std::string value_of(const RequestHead& head, const std::string& name) {
  const auto found = head.query.find(name);
  return found == head.query.end() ? std::string() : found->second;
}

Wishes wishes_of(const RequestHead& head) {
  Wishes wishes;
  wishes.preview = is_set(head, "preview");
  wishes.later = is_set(head, "async") || prefers_later(head.header("prefer"));
  const std::string detail = value_of(head, "detail");
  if (!detail.empty() && detail != "full" && detail != "summary") {
    throw HttpRefusal(400, "bad_parameter", "detail is full or summary");
  }
  wishes.summary_only = detail == "summary";
  return wishes;
}

std::shared_ptr<ServedModel> requested_model(const ModelRepository& models, const RequestHead& head) {
  const auto named = head.query.find("model");
  const std::string name = named == head.query.end() ? models.default_model() : named->second;
  const std::string version = value_of(head, "version");
  if (auto model = models.find(name, version)) return model;
  if (models.knows(name, version)) throw HttpRefusal(503, "not_ready", "this model does not answer now: try again");
  throw HttpRefusal(404, "unknown_model", "no such model here; GET /v1/models lists what there is");
}

std::shared_ptr<ServedModel> model_for_files(const ModelRepository& models, const RequestHead& head) {
  auto model = requested_model(models, head);
  const auto& crop = model->metadata().crop;
  if (!crop || crop->voxel_mm == 0.0) return model;
  throw HttpRefusal(
      400, "needs_cubes",
      "this model takes " + text_of(*crop) +
          " around a nodule, which files of slices do not make: send prepared cubes to /v2/models/NAME/infer");
}

std::vector<Upload> take_files(Order& order, const UploadLimits& limits) {
  Uploads uploads = take_uploads(order.http, limits);
  order.declared = std::move(uploads.declared);
  order.skipped = uploads.skipped;
  order.archived = uploads.archived;
  return std::move(uploads.files);
}

std::variant<std::string, ServiceFailure> document_of(const Answer& answer, const Order& order) {
  if (const auto* failure = std::get_if<ServiceFailure>(&answer)) return *failure;
  const auto& outcomes = std::get<std::vector<SliceOutcome>>(answer);
  const bool any = std::any_of(outcomes.begin(), outcomes.end(),
                               [](const auto& outcome) { return std::holds_alternative<Prediction>(outcome); });
  if (!any) return failure_of(outcomes, order);
  Report report = make_report(outcomes, order.model->metadata());
  report.skipped = order.skipped;
  report.archived = order.archived;
  report.summary_only = order.wishes.summary_only;
  return prediction_json(*order.model, outcomes, report, order.http.id);
}

HttpResponse reply_of(const Answer& answer, const Order& order) {
  auto document = document_of(answer, order);
  if (auto* body = std::get_if<std::string>(&document)) return json_reply(std::move(*body));
  const auto& failure = std::get<ServiceFailure>(document);
  HttpResponse response = refusal_reply(failure.code, failure.message, order.http.id);
  if (const auto* outcomes = std::get_if<std::vector<SliceOutcome>>(&answer)) {
    response.code = std::get<SliceFailure>(outcomes->front()).code;  // that slice has been counted under it
  }
  return response;
}

void check_upload_head(const Service& service, const RequestHead& head, const AdmissionInfo& info) {
  if (info.late) throw HttpRefusal(503, "shutting_down", kShuttingDown);
  const std::string type = media_type(head.header("content-type"));
  if (!is_upload_type(type)) {
    throw HttpRefusal(415, "unsupported_type",
                      "send image/png, image/jpeg, application/dicom, application/zip or multipart/form-data" +
                          (type.empty() ? std::string(" and say which in Content-Type") : ", not " + type));
  }
  model_for_files(service.models(), head);
}

std::optional<HttpResponse> refused_by(const AdmissionInfo& info, const std::function<void()>& check) {
  try {
    check();
    return std::nullopt;
  } catch (const HttpRefusal& refusal) {
    return refusal_reply(refusal, info.id);
  }
}

void begin_order(Service& service, const HttpRequest& request, const Responder& respond, std::function<void()> step) {
  const std::string id = request.id;
  if (!holds_archive(request)) {
    guarded(id, respond, step);
  } else {
    service.run([id, respond, step = std::move(step)] { guarded(id, respond, step); },
                [id, respond] { respond(refusal_reply("shutting_down", kShuttingDown, id)); });
  }
}

}  // namespace pulmo::serving
