#include "serving/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <map>
#include <mutex>

#include "core/support/version.h"
#include "serving/isolation/worker_process.h"
#include "serving/process_metrics.h"
#include "serving/reasons.h"

namespace pulmo::serving {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;

const Buckets kSecondsBuckets{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60};
constexpr std::array<const char*, 6> kStageNames{"wait", "decode", "preprocess", "queue", "infer", "explain"};

template <typename Builder>
auto& family(Builder builder, prometheus::Registry& registry, const char* name, const char* help) {
  return builder.Name(name).Help(help).Register(registry);
}

double ask(const std::function<double()>& source) {
  return source ? source() : 0.0;
}

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;
  ProcessMetrics process;
  GaugeSources sources;
  mutable std::mutex scrape_mutex;  // one scrape at a time sets the gauges
  mutable std::mutex models_mutex;  // of model_infos and model_metrics

  prometheus::Family<prometheus::Counter>& requests;
  prometheus::Family<prometheus::Histogram>& durations;
  prometheus::Gauge& queue_depth;
  prometheus::Gauge& in_progress;
  prometheus::Gauge& queue_used;
  prometheus::Gauge& queue_capacity;
  prometheus::Gauge& connections;
  prometheus::Gauge& upload_bytes;
  prometheus::Gauge& ready;
  prometheus::Gauge& explaining;
  prometheus::Gauge& jobs;
  prometheus::Gauge& job_bytes;
  prometheus::Gauge& models;
  prometheus::Family<prometheus::Gauge>& model_info;
  prometheus::Counter* loaded = nullptr;
  prometheus::Counter* load_failed = nullptr;
  ModelFamilies model_families;
  const DriftOptions drift;
  prometheus::Gauge& decoder_processes;
  std::array<prometheus::Histogram*, kStageNames.size()> stages{};
  std::map<std::string, prometheus::Counter*, std::less<>> rejections;
  std::map<prometheus::Labels, prometheus::Gauge*> model_infos;
  std::vector<std::weak_ptr<ModelMetrics>> model_metrics;  // in the order of their loading
  std::map<std::string, prometheus::Counter*, std::less<>> decoder_restarts;

  prometheus::Gauge& gauge(const char* name, const char* help) {
    return family(prometheus::BuildGauge(), registry, name, help).Add({});
  }

  explicit Impl(const DriftOptions& drift_options)
      : requests(family(prometheus::BuildCounter(), registry, "pulmo_requests_total", "Requests answered")),
        durations(family(prometheus::BuildHistogram(), registry, "pulmo_request_duration_seconds",
                         "From a request's first byte to its reply")),
        queue_depth(gauge("pulmo_queue_depth", "Slices waiting for the model")),
        in_progress(gauge("pulmo_in_progress", "Slices from their arrival to their result")),
        queue_used(gauge("pulmo_queue_used", "Slices in progress that take room of the queue")),
        queue_capacity(gauge("pulmo_queue_capacity", "Slices that find room in the queue")),
        connections(gauge("pulmo_connections", "Open client connections")),
        upload_bytes(gauge("pulmo_upload_bytes", "Bytes of request bodies held in memory")),
        ready(gauge("pulmo_ready", "1 when the server takes requests and every model answers")),
        explaining(gauge("pulmo_explanations_in_progress", "Explanations that wait or are being made")),
        jobs(gauge("pulmo_jobs", "Jobs that have not ended")),
        job_bytes(gauge("pulmo_job_result_bytes", "Bytes of the results of jobs held in memory")),
        models(gauge("pulmo_models_loaded", "Model versions that answer")),
        model_info(family(prometheus::BuildGauge(), registry, "pulmo_model_info",
                          "1; the labels say which model versions are served")),
        model_families(registry),
        drift(drift_options),
        decoder_processes(gauge("pulmo_decoder_processes", "Decoder processes that are ready")) {}

  // Those still loaded, the newest of each name and version.
  std::vector<std::shared_ptr<const ModelMetrics>> loaded_models() const {
    const std::lock_guard lock(models_mutex);
    std::vector<std::shared_ptr<const ModelMetrics>> result;
    for (const auto& weak : model_metrics) {
      const std::shared_ptr<const ModelMetrics> model = weak.lock();
      if (!model) continue;
      std::erase_if(result, [&](const auto& older) { return older->is_namesake_of(*model); });
      result.push_back(model);
    }
    return result;
  }
};

Metrics::Metrics(const DriftOptions& drift) : impl_(std::make_unique<Impl>(drift)) {
  prometheus::Registry& registry = impl_->registry;
  auto& stages = family(prometheus::BuildHistogram(), registry, "pulmo_stage_duration_seconds",
                        "Time of one slice in each stage; of infer, one run of the model");
  for (std::size_t i = 0; i < kStageNames.size(); ++i) {
    impl_->stages.at(i) = &stages.Add({{"stage", kStageNames.at(i)}}, kSecondsBuckets);
  }
  auto& rejections =
      family(prometheus::BuildCounter(), registry, "pulmo_rejected_total", "Requests and slices refused, by reason");
  for (const Reason& reason : kReasons) {
    impl_->rejections[std::string(reason.code)] = &rejections.Add({{"reason", std::string(reason.code)}});
  }
  impl_->rejections["other"] = &rejections.Add({{"reason", "other"}});
  auto& loads = family(prometheus::BuildCounter(), registry, "pulmo_model_loads_total", "Loads of a bundle, by result");
  impl_->loaded = &loads.Add({{"result", "loaded"}});
  impl_->load_failed = &loads.Add({{"result", "failed"}});
  auto& restarts = family(prometheus::BuildCounter(), registry, "pulmo_decoder_restarts_total",
                          "Decoder processes that were replaced, by what they ended of");
  for (const WorkerEnd end : kWorkerEnds) {
    impl_->decoder_restarts[to_string(end)] = &restarts.Add({{"reason", to_string(end)}});
  }
  family(prometheus::BuildGauge(), registry, "pulmo_build_info", "1; the label says which version is running")
      .Add({{"version", std::string(version())}})
      .Set(1.0);
}

Metrics::~Metrics() = default;

void Metrics::count_request(std::string_view route, std::string_view method, int status, double seconds) {
  const std::string template_name(route.empty() ? "none" : route);
  impl_->requests
      .Add({{"route", template_name},
            {"method", std::string(method.empty() ? "none" : method)},
            {"status", std::to_string(status)}})
      .Increment();
  impl_->durations.Add({{"route", template_name}}, kSecondsBuckets).Observe(seconds);
}

void Metrics::count_rejection(std::string_view reason) {
  const auto found = impl_->rejections.find(reason);
  (found == impl_->rejections.end() ? impl_->rejections.find("other") : found)->second->Increment();
}

void Metrics::count_decoder_restart(std::string_view reason) {
  if (const auto found = impl_->decoder_restarts.find(reason); found != impl_->decoder_restarts.end()) {
    found->second->Increment();
  }
}

void Metrics::observe_stage(Stage stage, double seconds) {
  impl_->stages.at(static_cast<std::size_t>(stage))->Observe(seconds);
}

std::shared_ptr<ModelMetrics> Metrics::add_model(const std::string& name, const std::string& version,
                                                 const BundleMetadata& metadata) {
  auto model = std::make_shared<ModelMetrics>(impl_->model_families, name, version, metadata, impl_->drift);
  const std::lock_guard lock(impl_->models_mutex);
  std::erase_if(impl_->model_metrics, [](const auto& weak) { return weak.expired(); });
  impl_->model_metrics.push_back(model);
  return model;
}

void Metrics::count_load(bool loaded) {
  (loaded ? impl_->loaded : impl_->load_failed)->Increment();
}

void Metrics::set_models(const std::vector<ModelLabels>& models) {
  const std::lock_guard lock(impl_->models_mutex);
  std::map<prometheus::Labels, prometheus::Gauge*> present;
  for (const ModelLabels& model : models) {
    const prometheus::Labels labels{{"model", model.name}, {"version", model.version}, {"sha256", model.sha256}};
    prometheus::Gauge& info = impl_->model_info.Add(labels);  // the one there is, when its labels are known
    info.Set(1.0);
    present[labels] = &info;
  }
  for (const auto& [labels, info] : impl_->model_infos) {
    if (present.find(labels) == present.end()) impl_->model_info.Remove(info);
  }
  impl_->model_infos = std::move(present);
  impl_->models.Set(static_cast<double>(models.size()));
}

void Metrics::connect(GaugeSources sources) {
  impl_->sources = std::move(sources);
}

std::string Metrics::text() const {
  const std::lock_guard lock(impl_->scrape_mutex);
  impl_->queue_depth.Set(ask(impl_->sources.queue_depth));
  impl_->in_progress.Set(ask(impl_->sources.in_progress));
  impl_->queue_used.Set(ask(impl_->sources.queue_used));
  impl_->queue_capacity.Set(ask(impl_->sources.queue_capacity));
  impl_->connections.Set(ask(impl_->sources.connections));
  impl_->upload_bytes.Set(ask(impl_->sources.upload_bytes));
  impl_->ready.Set(ask(impl_->sources.ready));
  impl_->explaining.Set(ask(impl_->sources.explaining));
  impl_->jobs.Set(ask(impl_->sources.jobs));
  impl_->job_bytes.Set(ask(impl_->sources.job_bytes));
  impl_->decoder_processes.Set(ask(impl_->sources.decoder_processes));
  std::vector<prometheus::MetricFamily> families = impl_->registry.Collect();
  for (prometheus::MetricFamily& family : collect_models(impl_->loaded_models())) families.push_back(std::move(family));
  for (prometheus::MetricFamily& family : impl_->process.Collect()) families.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace pulmo::serving
