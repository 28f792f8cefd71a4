#pragma once

#include <memory>
#include <string>

#include "core/model/predictor.h"
#include "serving/batcher.h"
#include "serving/model_metrics.h"

namespace pulmo::serving {

/// One version of a model that answers: its predictor and the batcher that feeds it. Whoever works on a request holds
/// it by shared_ptr: what is under way when the version is replaced or unloaded still ends on it. Thread-safe.
class ServedModel {
 public:
  /// `name` and `version` are those of addresses and answers: the repository's, not the bundle's. `metrics` may be
  /// missing where no slice is predicted.
  ServedModel(std::string name, std::string version, std::shared_ptr<const Predictor> predictor,
              const BatcherOptions& batch, Batcher::Observer observe_batch = {},
              std::shared_ptr<ModelMetrics> metrics = nullptr)
      : name_(std::move(name)),
        version_(std::move(version)),
        predictor_(std::move(predictor)),
        metrics_(std::move(metrics)),
        batcher_(predictor_, batch, std::move(observe_batch)) {}

  const std::string& name() const { return name_; }
  const std::string& version() const { return version_; }
  const Predictor& predictor() const { return *predictor_; }
  const BundleMetadata& metadata() const { return predictor_->metadata(); }
  const std::string& sha256() const { return predictor_->sha256(); }
  Batcher& batcher() { return batcher_; }
  ModelMetrics& metrics() { return *metrics_; }

 private:
  const std::string name_;
  const std::string version_;
  const std::shared_ptr<const Predictor> predictor_;
  const std::shared_ptr<ModelMetrics> metrics_;
  Batcher batcher_;
};

}  // namespace pulmo::serving
