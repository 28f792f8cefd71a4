#pragma once

#include "serving/http/router.h"
#include "serving/jobs.h"
#include "serving/service.h"
#include "serving/uploads.h"

namespace pulmo::serving {

/// What the routes of predictions work on. All must outlive the router.
struct PredictContext {
  Service& service;
  Jobs& jobs;
  UploadLimits limits;
};

/// POST /v1/predict, GET and DELETE /v1/jobs/{id}.
///
/// Before the body is read: 415 for another type, 400 for a bad parameter, 404 for an unknown model, 503 when shutting
/// down or full. One reply for all files of a prediction: 200 when at least one could be predicted (the others' entries
/// carry an error), else the status of the first one's error. With `Prefer: respond-async` or `?async=1` the reply is
/// 202 with the job's address.
void add_predict_routes(Router& router, const PredictContext& context);

}  // namespace pulmo::serving
