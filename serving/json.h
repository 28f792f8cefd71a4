#pragma once

#include <string>
#include <vector>

#include "core/model/predictor.h"
#include "serving/service.h"

namespace pulmo::serving {

/// The answer of POST /v1/predict. `outcomes` may hold failures beside predictions: their entries carry "error".
/// Text that is no valid UTF-8 is mended, so that the document always parses.
std::string prediction_json(const Predictor& predictor, const std::vector<SliceOutcome>& outcomes,
                            const std::string& request_id);

/// GET /v2 (Open Inference Protocol: server metadata), with the names of the models.
std::string server_json(const std::string& model_name);

/// GET /v2/models/{m} (Open Inference Protocol: model metadata); `parameters` holds what the page shows.
std::string model_json(const BundleMetadata& metadata, const std::string& sha256);

/// {"<key>": true}
std::string flag_json(const std::string& key, bool value);

}  // namespace pulmo::serving
