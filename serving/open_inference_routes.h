#pragma once

#include "serving/http/router.h"
#include "serving/routes.h"

namespace pulmo::serving {

/// The POST routes of the Open Inference Protocol v2: inference, and Triton's model repository extension. Their errors
/// have the protocol's form, {"error": "<text>"}.
void add_open_inference(Router& router, const RouteContext& context);

}  // namespace pulmo::serving
