#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "serving/drift.h"
#include "serving/explainer.h"
#include "serving/http_server.h"
#include "serving/isolation/decoder.h"
#include "serving/jobs.h"
#include "serving/model_repository.h"
#include "serving/security/front_door.h"
#include "serving/service.h"
#include "serving/uploads.h"

namespace pulmo::serving {

/// Everything pulmo-serve can be told; configs/serve.yaml names and explains each key.
struct ServeConfig {
  HttpServerOptions http;
  ServiceOptions service;
  UploadLimits uploads;
  ExplainOptions explain;
  JobOptions jobs;
  RepositoryOptions models;  ///< bundle or folder come from the command line
  DriftOptions drift;
  FrontDoorOptions security;
  DecoderOptions decoder;  ///< its limits and number of processes follow from the others
  int model_threads = 0;   ///< LibTorch threads in one run of the model; 0: one a core that it may use
  std::chrono::milliseconds shutdown_grace{30'000};  ///< for requests in flight at SIGTERM
  std::string effective;                             ///< every key with its value as it was read, YAML
};

/// Reads the file (empty: the defaults alone) and applies the `--set` overrides. Throws InvalidInput("configuration")
/// or IoError.
ServeConfig load_serve_config(const std::filesystem::path& file, const std::vector<std::string>& overrides);

}  // namespace pulmo::serving
