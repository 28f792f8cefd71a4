#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/image/input_statistics.h"
#include "core/model/bundle_metadata.h"
#include "serving/drift.h"

namespace pulmo::serving {

/// The families with the labels `model` and `version`: those that have been served, a set that the operator closes.
struct ModelFamilies {
  explicit ModelFamilies(prometheus::Registry& registry);

  prometheus::Family<prometheus::Counter>& predictions;
  prometheus::Family<prometheus::Histogram>& batch_size;
  prometheus::Family<prometheus::Histogram>& positive_probability;
  prometheus::Family<prometheus::Histogram>& lung_fraction;
  prometheus::Family<prometheus::Histogram>& mean_intensity;
};

/// What one loaded model does; made by Metrics::add_model(). Its counters are those of all models of its name and
/// version, so that they go on over a reload; its drift is its own. Thread-safe. Must not outlive the Metrics.
class ModelMetrics {
 public:
  ModelMetrics(const ModelFamilies& families, const std::string& name, const std::string& version,
               const BundleMetadata& metadata, const DriftOptions& options);

  /// A name that is none of the model's classes is not counted.
  void count_prediction(const std::string& class_name);
  void observe_batch(std::size_t slices);
  /// Probability of the positive class of one predicted slice, and what the picture was like.
  void observe_slice(double positive_probability, const InputStatistics& input);

  /// Whether both go by the same name and version.
  bool is_namesake_of(const ModelMetrics& other) const { return labels_ == other.labels_; }
  std::vector<prometheus::ClientMetric> input_drift() const;
  prometheus::ClientMetric prediction_drift() const;
  prometheus::ClientMetric drift_samples() const;

 private:
  struct Drift {
    DriftWindow lung_fraction, mean_intensity, positive_probability;
  };
  prometheus::ClientMetric gauge(double value, std::vector<prometheus::ClientMetric::Label> more = {}) const;

  const prometheus::Labels labels_;
  std::map<std::string, prometheus::Counter*> predictions_;
  prometheus::Histogram& batch_size_;
  prometheus::Histogram& positive_probability_;
  prometheus::Histogram& lung_fraction_;
  prometheus::Histogram& mean_intensity_;
  std::unique_ptr<Drift> drift_;  ///< none where the bundle has no reference
};

/// The drift of these models, made anew at each scrape.
std::vector<prometheus::MetricFamily> collect_models(const std::vector<std::shared_ptr<const ModelMetrics>>& models);

}  // namespace pulmo::serving
