#pragma once

#include <atomic>
#include <memory>

#include "serving/explainer.h"
#include "serving/http/router.h"
#include "serving/jobs.h"
#include "serving/metrics.h"
#include "serving/service.h"
#include "serving/uploads.h"

namespace pulmo::serving {

/// What the routes work on. All must outlive the router.
struct RouteContext {
  Service& service;
  Explainer& explainer;
  Jobs& jobs;
  Metrics& metrics;
  UploadLimits limits;
  const std::atomic<bool>& ready;  ///< false from the beginning of the shutdown
};

/// Every address of the server (docs/serve.md). The prediction is done elsewhere; all other replies are made at once.
Router make_routes(const RouteContext& context);

}  // namespace pulmo::serving
