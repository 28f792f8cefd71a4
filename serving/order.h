#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "serving/http/connection.h"
#include "serving/http/message.h"
#include "serving/http/responder.h"
#include "serving/prediction.h"
#include "serving/served_model.h"
#include "serving/service.h"
#include "serving/uploads.h"

namespace pulmo::serving {

/// What a client asked for beside its files.
struct Wishes {
  bool preview = false;
  bool summary_only = false;
  bool later = false;  ///< as a job
};

/// Of the query and the Prefer header (RFC 7240). Throws HttpRefusal 400 bad_parameter.
Wishes wishes_of(const RequestHead& head);

/// A parameter of the query; empty when it is absent.
std::string value_of(const RequestHead& head, const std::string& name);

/// The model that `?model=NAME` names, or the default one. Throws HttpRefusal: 404 unknown_model, or 503 not_ready for
/// one that is known but does not answer now.
std::shared_ptr<ServedModel> requested_model(const ModelRepository& models, const RequestHead& head);

/// The same for files. Throws HttpRefusal also 400 needs_cubes for a model of cubes, which slices do not make.
std::shared_ptr<ServedModel> model_for_files(const ModelRepository& models, const RequestHead& head);

/// A request for predictions on its way, with what its reply needs.
struct Order {
  std::shared_ptr<ServedModel> model;
  Wishes wishes;
  HttpRequest http;
  std::vector<bool> declared;
  std::size_t skipped = 0;
  bool archived = false;
};

/// Takes the files out of the order's request, and notes what the reply needs of them. Throws as take_uploads().
std::vector<Upload> take_files(Order& order, const UploadLimits& limits);

/// The document that answers, or why there is none: the server's failure, or when no file could be used the first
/// one's.
std::variant<std::string, ServiceFailure> document_of(const Answer& answer, const Order& order);
HttpResponse reply_of(const Answer& answer, const Order& order);

/// What can be said of any upload before its body is read. Throws HttpRefusal: 503 shutting_down, 415, and those of
/// model_for_files().
void check_upload_head(const Service& service, const RequestHead& head, const AdmissionInfo& info);

/// The reply when `check` throws HttpRefusal.
std::optional<HttpResponse> refused_by(const AdmissionInfo& info, const std::function<void()>& check);

/// Runs the step that begins a request, and replies when it refuses or fails. On the pool where archives must be looked
/// into, which is not for a thread that reads requests.
void begin_order(Service& service, const HttpRequest& request, const Responder& respond, std::function<void()> step);

}  // namespace pulmo::serving
