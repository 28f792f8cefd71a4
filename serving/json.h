#pragma once

#include <string>
#include <vector>

#include "serving/model_repository.h"
#include "serving/served_model.h"

namespace pulmo::serving {

/// GET /v1/models: what each model version is, and which one answers requests that name none.
std::string models_json(const ModelRepository& models);

/// GET /v2 (Open Inference Protocol: server metadata), with the names of the models that are ready.
std::string server_json(const ModelRepository& models);

/// GET /v2/models/{m} (Open Inference Protocol: model metadata); `parameters` holds what the page shows.
std::string model_json(const ServedModel& model, const std::vector<std::string>& versions);

/// {"<key>": true}
std::string flag_json(const std::string& key, bool value);

/// GET /v2/models/{m}/ready.
std::string model_ready_json(const std::string& name, bool ready);

}  // namespace pulmo::serving
