#pragma once

#include <memory>
#include <optional>

#include "serving/http/router.h"
#include "serving/service.h"

namespace pulmo::serving {

/// The model that `?model=NAME` names, or the default one. Throws HttpRefusal: 404 unknown_model, or 503 not_ready for
/// one that is known but does not answer now.
std::shared_ptr<ServedModel> requested_model(const ModelRepository& models, const RequestHead& head);

/// POST /v1/predict, before the body is read: 415, 400 for a bad parameter, 404 for an unknown model, 503 when
/// shutting down or full.
std::optional<HttpResponse> admit_predict(const Service& service, const RequestHead& head, const AdmissionInfo& info);

/// POST /v1/predict. One reply for all files of the request: 200 when at least one could be predicted (the others'
/// entries carry an error), else the status of the first one's error.
void answer_predict(Service& service, HttpRequest request, const Responder& respond);

}  // namespace pulmo::serving
