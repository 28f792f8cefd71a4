#include "serving/serve_config.h"

#include <cmath>

#include "core/support/yaml_reader.h"

namespace pulmo::serving {
namespace {

constexpr double kDaySeconds = 86'400.0;

template <typename Duration>
Duration duration(YamlReader& reader, const std::string& key, Duration fallback, double high_s = kDaySeconds) {
  const double seconds = reader.real(key, std::chrono::duration<double>(fallback).count(), 0.0, high_s);
  return Duration(std::llround(seconds / std::chrono::duration<double>(Duration(1)).count()));
}

template <typename Number>
Number whole(YamlReader& reader, const std::string& key, Number fallback, std::int64_t low, std::int64_t high) {
  return static_cast<Number>(reader.integer(key, static_cast<std::int64_t>(fallback), low, high));
}

void read_serve(YamlReader reader, ServeConfig& config) {
  config.http.host = reader.text("host", config.http.host);
  config.http.port = whole(reader, "port", config.http.port, 0, 65535);
  config.http.io_threads = whole(reader, "io_threads", config.http.io_threads, 1, 64);
  config.service.workers = whole(reader, "workers", config.service.workers, 0, 256);
  config.model_threads = whole(reader, "model_threads", config.model_threads, 0, 256);
  config.shutdown_grace = duration(reader, "shutdown_grace_s", config.shutdown_grace);
  reader.finish();
}

void read_upload_limits(YamlReader& reader, UploadLimits& uploads) {
  uploads.slices = whole(reader, "slices", uploads.slices, 1, 100'000);
  uploads.previews = whole(reader, "previews", uploads.previews, 0, 100'000);
  uploads.zip.entries = whole(reader, "zip_entries", uploads.zip.entries, 1, 1'000'000);
  uploads.zip.entry_bytes = whole(reader, "zip_entry_bytes", uploads.zip.entry_bytes, 1024, std::int64_t{1} << 32U);
  uploads.zip.total_bytes = whole(reader, "zip_bytes", uploads.zip.total_bytes, 1024, std::int64_t{1} << 40U);
  uploads.zip.ratio = whole(reader, "zip_ratio", uploads.zip.ratio, 1, 1100);
}

void read_limits(YamlReader reader, ServeConfig& config) {
  HttpServerOptions& http = config.http;
  http.max_connections = whole(reader, "connections", http.max_connections, 1, 16'000);
  http.limits.body_bytes = whole(reader, "body_bytes", http.limits.body_bytes, 1024, std::int64_t{1} << 32U);
  http.max_upload_bytes = whole(reader, "upload_bytes", http.max_upload_bytes, 1024, std::int64_t{1} << 40U);
  http.limits.parts = whole(reader, "files", http.limits.parts, 1, 4096);
  config.service.decode.max_side_px = reader.integer("picture_side_px", config.service.decode.max_side_px, 16, 65'535);
  config.service.decode.max_pixels = reader.integer("picture_pixels", config.service.decode.max_pixels, 256, 1 << 30U);
  read_upload_limits(reader, config.uploads);
  http.timeouts.head = duration(reader, "head_timeout_s", http.timeouts.head);
  http.timeouts.body = duration(reader, "body_timeout_s", http.timeouts.body);
  http.timeouts.idle = duration(reader, "idle_timeout_s", http.timeouts.idle);
  http.timeouts.write = duration(reader, "write_timeout_s", http.timeouts.write);
  if (http.max_upload_bytes < http.limits.body_bytes) {
    reader.refuse("upload_bytes", std::to_string(http.max_upload_bytes) + " is below body_bytes: no full upload fits");
  }
  reader.finish();
}

void read_batch(YamlReader reader, ServeConfig& config) {
  ServiceOptions& service = config.service;
  BatcherOptions& batch = config.models.batch;
  batch.max_batch = whole(reader, "max_size", batch.max_batch, 1, 1024);
  batch.max_delay = duration(reader, "max_delay_s", batch.max_delay, 10.0);
  service.capacity = whole(reader, "queue", service.capacity, 1, 100'000);
  service.per_request = whole(reader, "per_request", service.per_request, 1, 100'000);
  service.deadline = duration(reader, "deadline_s", service.deadline);
  reader.finish();
}

void read_explain(YamlReader reader, ExplainOptions& explain) {
  explain.threads = whole(reader, "threads", explain.threads, 1, 64);
  explain.queue = whole(reader, "queue", explain.queue, 1, 10'000);
  explain.deadline = duration(reader, "deadline_s", explain.deadline);
  explain.occlusion.patch_px = whole(reader, "patch_px", explain.occlusion.patch_px, 2, 1024);
  explain.occlusion.step_px = whole(reader, "step_px", explain.occlusion.step_px, 1, 1024);
  if (explain.occlusion.step_px > explain.occlusion.patch_px) {
    reader.refuse("step_px", std::to_string(explain.occlusion.step_px) + " is over patch_px: places would be left out");
  }
  reader.finish();
}

void read_jobs(YamlReader reader, ServeConfig& config) {
  JobOptions& jobs = config.jobs;
  jobs.most = whole(reader, "most", jobs.most, 1, 100'000);
  jobs.at_once = whole(reader, "at_once", jobs.at_once, 1, 64);
  jobs.keep = duration(reader, "keep_s", jobs.keep);
  jobs.result_bytes = whole(reader, "result_bytes", jobs.result_bytes, 1024, std::int64_t{1} << 40U);
  // What is under way fits in any one queue, that of jobs too, which find room when there is none.
  config.models.batch.capacity = config.service.capacity + jobs.at_once * config.service.per_request;
  reader.finish();
}

void read_models(YamlReader reader, RepositoryOptions& models) {
  models.default_model = reader.text("default", models.default_model);
  models.control = reader.boolean("control", models.control);
  reader.finish();
}

void read_drift(YamlReader reader, DriftOptions& drift) {
  drift.window = whole(reader, "window", drift.window, 1, 1'000'000);
  drift.least = whole(reader, "least", drift.least, 1, 1'000'000);
  if (drift.least > drift.window) {
    reader.refuse("least", std::to_string(drift.least) + " is above window: no drift would ever be told");
  }
  reader.finish();
}

void read_decode(YamlReader reader, ServeConfig& config) {
  DecoderOptions& decoder = config.decoder;
  decoder.isolated = reader.choice("isolation", "process", {"process", "none"}) == "process";
  WorkerOptions& worker = decoder.worker;
  worker.memory_bytes = whole(reader, "memory_bytes", worker.memory_bytes, 1 << 26U, std::int64_t{1} << 40U);
  worker.timeout = duration(reader, "timeout_s", worker.timeout, 3600.0);
  if (worker.timeout.count() == 0) reader.refuse("timeout_s", "0 leaves no time to decode anything");
  worker.limits = config.service.decode;
  worker.input_bytes = config.http.limits.body_bytes;
  decoder.processes = static_cast<std::size_t>(worker_count(config.service.workers));
  reader.finish();
}

void read_security(YamlReader reader, ServeConfig& config) {
  FrontDoorOptions& security = config.security;
  security.keys_file = reader.text("keys_file", security.keys_file.string());
  security.open_metrics = reader.boolean("open_metrics", security.open_metrics);
  security.trusted_proxies = reader.texts("trusted_proxies", security.trusted_proxies);
  security.rate.per_s = reader.real("requests_per_s", security.rate.per_s, 0.0, 1e6);
  security.rate.burst = reader.real("burst", security.rate.burst, 1.0, 1e6);
  security.origins = reader.texts("origins", security.origins);
  for (const std::string& proxy : security.trusted_proxies) {
    if (!is_address(proxy)) reader.refuse("trusted_proxies", "'" + proxy + "' is no address in numbers");
  }
  reader.finish();
}

void read_tls(YamlReader reader, ServeConfig& config) {
  HttpServerOptions& http = config.http;
  http.tls_certificate = reader.text("certificate", http.tls_certificate);
  http.tls_key = reader.text("key", http.tls_key);
  if (http.tls_certificate.empty() != http.tls_key.empty()) {
    reader.refuse("certificate", "certificate and key are both needed, or neither");
  }
  reader.finish();
}

}  // namespace

ServeConfig load_serve_config(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  YamlReader root(load_yaml(file, overrides), file.empty() ? "defaults" : file.string());
  ServeConfig config;
  read_serve(root.section("serve"), config);
  read_limits(root.section("limits"), config);
  read_batch(root.section("batch"), config);
  read_explain(root.section("explain"), config.explain);
  read_jobs(root.section("jobs"), config);
  read_models(root.section("models"), config.models);
  read_drift(root.section("drift"), config.drift);
  read_decode(root.section("decode"), config);
  read_security(root.section("security"), config);
  read_tls(root.section("tls"), config);
  root.finish();
  config.effective = YAML::Dump(root.effective());
  return config;
}

}  // namespace pulmo::serving
