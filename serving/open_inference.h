#pragma once

#include <string>
#include <vector>

#include "serving/http/message.h"
#include "serving/infer_request.h"
#include "serving/model_repository.h"
#include "serving/served_model.h"
#include "serving/service.h"

namespace pulmo::serving {

/// What an inference gives, beside `probabilities`, FP64 (N,K): `class`, BYTES (N), see choose_class().
inline constexpr std::string_view kProbabilitiesOutput = "probabilities";
inline constexpr std::string_view kClassOutput = "class";

/// The reply to an inference: JSON, followed by the tensors that were asked for in binary, in the order of its outputs.
HttpResponse inference_reply(const InferRequest& request, const ServedModel& model,
                             const std::vector<Prediction>& predictions);

/// Throws HttpRefusal (400) for an output that there is not.
void check_outputs(const InferRequest& request);

/// The same refusal in the form of the protocol, {"error": "<text>"}.
HttpResponse inference_error(HttpResponse refusal);

/// The reply to POST /v2/repository/index.
std::string index_json(const std::vector<IndexEntry>& index, bool ready_only);

}  // namespace pulmo::serving
