#pragma once

#include "serving/explainer.h"
#include "serving/http/router.h"
#include "serving/service.h"
#include "serving/uploads.h"

namespace pulmo::serving {

/// What POST /v1/explain works on. All must outlive the router.
struct ExplainContext {
  Service& service;
  Explainer& explainer;
  UploadLimits limits;
};

/// POST /v1/explain[?method=auto|grad_cam|integrated_gradients|occlusion]: one slice, or of a model of
/// volumes the slices of one stack, with the prediction, a heat map each and, where the model outlines nodules, the
/// nodule's outline. Refused before the body is read as predictions are,
/// and with 503 while the explainer is busy.
void add_explain_route(Router& router, const ExplainContext& context);

}  // namespace pulmo::serving
