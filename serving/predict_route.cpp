#include "serving/predict_route.h"

#include <algorithm>
#include <array>

#include "serving/http/request_head.h"
#include "serving/json.h"
#include "serving/reasons.h"

namespace pulmo::serving {
namespace {

constexpr std::array<std::string_view, 5> kPictureTypes{"image/png", "image/jpeg", "image/jpg", "application/dicom",
                                                        "image/dicom"};
constexpr std::string_view kAnyType = "application/octet-stream";
constexpr std::size_t kMaxNameBytes = 255;

std::string media_type(std::string_view content_type) {
  return to_lower(trim(content_type.substr(0, content_type.find(';'))));
}

bool is_picture_type(std::string_view type) {
  return std::find(kPictureTypes.begin(), kPictureTypes.end(), type) != kPictureTypes.end();
}

HttpResponse busy(const std::string& code, const std::string& message, const std::string& id) {
  HttpResponse response = error_response(status_of(code), code, message, id);
  response.headers.push_back({"Retry-After", "1"});
  return response;
}

HttpResponse refused(const HttpRefusal& refusal, const std::string& id) {
  if (refusal.status() == 503) return busy(refusal.code(), refusal.what(), id);
  return error_response(refusal.status(), refusal.code(), refusal.what(), id);
}

/// The client's own name for a file, or "file-N".
std::string shown_name(std::string_view given, std::size_t number) {
  std::string name(given.substr(0, kMaxNameBytes));
  std::erase_if(name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  return name.empty() ? "file-" + std::to_string(number) : name;
}

std::string raw_name(const RequestHead& head) {
  const std::string_view disposition = head.header("content-disposition");
  if (disposition.empty()) return {};
  const ParameterisedValue value = parse_parameters(disposition);
  const auto found = value.parameters.find("filename");
  return found == value.parameters.end() ? std::string() : found->second;
}

/// The files of a request, and for each whether its sender called it a picture.
struct Uploads {
  std::vector<Upload> files;
  std::vector<bool> declared;
};

Uploads take_uploads(HttpRequest& request) {
  Uploads uploads;
  if (!request.multipart) {
    if (request.body.empty()) throw HttpRefusal(400, "empty_body", "the body is empty: send the bytes of a slice");
    uploads.files.push_back({shown_name(raw_name(request.head), 1), std::move(request.body)});
    uploads.declared.push_back(is_picture_type(media_type(request.head.header("content-type"))));
    return uploads;
  }
  for (Part& part : request.parts) {
    const bool declared = is_picture_type(part.content_type);
    if (!part.has_filename && !declared) continue;             // a form field
    if (part.filename.empty() && part.data.empty()) continue;  // a file input left empty
    uploads.files.push_back({shown_name(part.filename, uploads.files.size() + 1), std::move(part.data)});
    uploads.declared.push_back(declared);
  }
  if (uploads.files.empty()) throw HttpRefusal(400, "no_file", "the form holds no file: send at least one");
  return uploads;
}

/// Bytes of no known kind: undecodable when they were called a picture, else simply not a type we take.
std::string reply_code(const SliceFailure& failure, bool declared) {
  return failure.code == "unknown_format" && !declared ? "unsupported_type" : failure.code;
}

HttpResponse all_failed(const std::vector<SliceOutcome>& outcomes, const std::vector<bool>& declared,
                        const std::string& id) {
  const auto& first = std::get<SliceFailure>(outcomes.front());
  const std::string code = reply_code(first, declared.front());
  std::string message = first.message;
  if (outcomes.size() > 1) {
    message += " (and the other " + std::to_string(outcomes.size() - 1) + " could not be used either)";
  }
  HttpResponse response = error_response(status_of(code), code, message, id);
  response.code = first.code;
  return response;
}

HttpResponse reply(const ServedModel& model, const Answer& answer, const std::vector<bool>& declared,
                   const std::string& id) {
  if (const auto* failure = std::get_if<ServiceFailure>(&answer)) {
    return status_of(failure->code) == 503
               ? busy(failure->code, failure->message, id)
               : error_response(status_of(failure->code), failure->code, failure->message, id);
  }
  const auto& outcomes = std::get<std::vector<SliceOutcome>>(answer);
  const bool any = std::any_of(outcomes.begin(), outcomes.end(),
                               [](const auto& outcome) { return std::holds_alternative<Prediction>(outcome); });
  if (!any) return all_failed(outcomes, declared, id);
  HttpResponse response;
  response.body = prediction_json(model, outcomes, id);
  response.headers.push_back({"Cache-Control", "no-store"});
  return response;
}

}  // namespace

std::shared_ptr<ServedModel> requested_model(const ModelRepository& models, const RequestHead& head) {
  const auto named = head.query.find("model");
  const std::string name = named == head.query.end() ? models.default_model() : named->second;
  if (auto model = models.find(name)) return model;
  if (models.knows(name)) throw HttpRefusal(503, "not_ready", "this model does not answer now: try again");
  throw HttpRefusal(404, "unknown_model", "no such model here; GET /v1/models lists what there is");
}

std::optional<HttpResponse> admit_predict(const Service& service, const RequestHead& head, const AdmissionInfo& info) {
  if (info.late) return busy("shutting_down", "the server is shutting down", info.id);
  const std::string type = media_type(head.header("content-type"));
  if (!is_picture_type(type) && type != kAnyType && type != "multipart/form-data") {
    return error_response(415, "unsupported_type",
                          "send image/png, image/jpeg, application/dicom or multipart/form-data" +
                              (type.empty() ? std::string(" and say which in Content-Type") : ", not " + type),
                          info.id);
  }
  const auto preview = head.query.find("preview");
  if (preview != head.query.end() && preview->second != "0" && preview->second != "1") {
    return error_response(400, "bad_parameter", "preview is 0 or 1", info.id);
  }
  try {
    requested_model(service.models(), head);
  } catch (const HttpRefusal& refusal) {
    return refused(refusal, info.id);
  }
  if (!service.has_room()) return busy("queue_full", "the server is busy: try again in a moment", info.id);
  return std::nullopt;
}

void answer_predict(Service& service, HttpRequest request, const Responder& respond) {
  try {
    Uploads uploads = take_uploads(request);
    PredictOptions options;
    const auto preview = request.head.query.find("preview");
    options.preview = preview != request.head.query.end() && preview->second == "1";
    const std::shared_ptr<ServedModel> model = requested_model(service.models(), request.head);
    service.predict(model, std::move(uploads.files), options,
                    [model, respond, lease = std::move(request.lease),
                     declared = std::move(uploads.declared)](const Answer& answer) mutable {
                      lease.reset();  // the bytes are gone; the budget is free before the client hears of it
                      respond(reply(*model, answer, declared, respond.request_id()));
                    });
  } catch (const HttpRefusal& refusal) {
    respond(refused(refusal, request.id));
  }
}

}  // namespace pulmo::serving
