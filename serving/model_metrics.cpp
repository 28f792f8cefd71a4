#include "serving/model_metrics.h"

#include <prometheus/detail/builder.h>

#include <limits>
#include <utility>

namespace pulmo::serving {
namespace {

using prometheus::ClientMetric;
using Buckets = prometheus::Histogram::BucketBoundaries;

const Buckets kBatchBuckets{1, 2, 4, 8, 16, 32, 64, 128};
const Buckets kShareBuckets{.05, .1, .15, .2, .25, .3, .35, .4, .45, .5, .55, .6, .65, .7, .75, .8, .85, .9, .95};

auto& histograms(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

prometheus::MetricFamily gauges(const char* name, const char* help) {
  return {name, help, prometheus::MetricType::Gauge, {}};
}

double index_of(const DriftWindow* window) {
  return window == nullptr ? std::numeric_limits<double>::quiet_NaN() : window->stability_index();
}

}  // namespace

ModelFamilies::ModelFamilies(prometheus::Registry& registry)
    : predictions(prometheus::BuildCounter()
                      .Name("pulmo_predictions_total")
                      .Help("Slices predicted, by class")
                      .Register(registry)),
      batch_size(histograms(registry, "pulmo_batch_size", "Slices in one run of the model")),
      positive_probability(
          histograms(registry, "pulmo_positive_probability", "Probability of the positive class of predicted slices")),
      lung_fraction(
          histograms(registry, "pulmo_lung_fraction", "Share of the picture that is lung, of predicted slices")),
      mean_intensity(histograms(registry, "pulmo_mean_intensity",
                                "Mean value of the picture inside the lungs, of predicted slices")) {}

ModelMetrics::ModelMetrics(const ModelFamilies& families, const std::string& name, const std::string& version,
                           const BundleMetadata& metadata, const DriftOptions& options)
    : labels_({{"model", name}, {"version", version}}),
      batch_size_(families.batch_size.Add(labels_, kBatchBuckets)),
      positive_probability_(families.positive_probability.Add(labels_, kShareBuckets)),
      lung_fraction_(families.lung_fraction.Add(labels_, kShareBuckets)),
      mean_intensity_(families.mean_intensity.Add(labels_, kShareBuckets)) {
  for (const std::string& label : metadata.class_names) {
    prometheus::Labels labels = labels_;
    labels["class"] = label;
    predictions_[label] = &families.predictions.Add(labels);
  }
  if (!metadata.reference) return;
  const ReferenceStatistics& reference = *metadata.reference;
  drift_.reset(new Drift{{reference.lung_fraction, options},
                         {reference.mean_intensity, options},
                         {reference.positive_probability, options}});
}

void ModelMetrics::count_prediction(const std::string& class_name) {
  if (const auto found = predictions_.find(class_name); found != predictions_.end()) found->second->Increment();
}

void ModelMetrics::observe_batch(std::size_t slices) {
  batch_size_.Observe(static_cast<double>(slices));
}

void ModelMetrics::observe_slice(double positive_probability, const InputStatistics& input) {
  positive_probability_.Observe(positive_probability);
  lung_fraction_.Observe(input.lung_fraction);
  mean_intensity_.Observe(input.mean_intensity);
  if (!drift_) return;
  drift_->lung_fraction.add(input.lung_fraction);
  drift_->mean_intensity.add(input.mean_intensity);
  drift_->positive_probability.add(positive_probability);
}

ClientMetric ModelMetrics::gauge(double value, std::vector<ClientMetric::Label> more) const {
  ClientMetric metric;
  metric.label = std::move(more);
  for (const auto& [key, text] : labels_) metric.label.push_back({key, text});
  metric.gauge.value = value;
  return metric;
}

std::vector<ClientMetric> ModelMetrics::input_drift() const {
  return {gauge(index_of(drift_ ? &drift_->lung_fraction : nullptr), {{"input", "lung_fraction"}}),
          gauge(index_of(drift_ ? &drift_->mean_intensity : nullptr), {{"input", "mean_intensity"}})};
}

ClientMetric ModelMetrics::prediction_drift() const {
  return gauge(index_of(drift_ ? &drift_->positive_probability : nullptr));
}

ClientMetric ModelMetrics::drift_samples() const {
  return gauge(drift_ ? static_cast<double>(drift_->positive_probability.size()) : 0.0);
}

std::vector<prometheus::MetricFamily> collect_models(const std::vector<std::shared_ptr<const ModelMetrics>>& models) {
  auto input = gauges("pulmo_input_drift_psi", "Population stability index of the last slices against the reference");
  auto prediction = gauges("pulmo_prediction_drift_psi", "The same of the probability of the positive class");
  auto samples = gauges("pulmo_drift_samples", "Slices in the window that is compared with the reference");
  for (const auto& model : models) {
    for (ClientMetric& one : model->input_drift()) input.metric.push_back(std::move(one));
    prediction.metric.push_back(model->prediction_drift());
    samples.metric.push_back(model->drift_samples());
  }
  return {std::move(input), std::move(prediction), std::move(samples)};
}

}  // namespace pulmo::serving
