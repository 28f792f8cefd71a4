#include "serving/application.h"

#include <malloc.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <opencv2/core/utility.hpp>
#include <optional>
#include <thread>

#include "core/model/predictor.h"
#include "core/support/error.h"
#include "core/support/log.h"
#include "core/support/processors.h"
#include "core/support/run_main.h"
#include "core/support/version.h"
#include "serving/explainer.h"
#include "serving/http_server.h"
#include "serving/isolation/decoder.h"
#include "serving/jobs.h"
#include "serving/metrics.h"
#include "serving/open_inference.h"
#include "serving/reasons.h"
#include "serving/routes.h"
#include "serving/security/front_door.h"
#include "serving/serve_config.h"
#include "serving/service.h"

namespace pulmo::serving {
namespace {

constexpr auto kFetch = std::chrono::seconds(3);          // for a client to ask for its job once more
constexpr auto kSettle = std::chrono::milliseconds(300);  // quiet for so long: no reply and no request on its way

/// Blocks the signals that end the server or make it read its files again, in this thread and all that it starts.
sigset_t block_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

void log_exchange(Metrics& metrics, const Exchange& exchange) {
  const double seconds = std::chrono::duration<double>(exchange.took).count();
  metrics.count_request(exchange.route, exchange.method, exchange.status, seconds);
  // A refused slice has been counted where it was refused.
  if (!exchange.code.empty() && status_of(exchange.code) != 422) metrics.count_rejection(exchange.code);
  log_info("request", {{"method", exchange.method.empty() ? "none" : exchange.method},
                       {"route", exchange.route.empty() ? "none" : exchange.route},
                       {"status", std::to_string(exchange.status)},
                       {"code", exchange.code.empty() ? "ok" : exchange.code},
                       {"bytes", std::to_string(exchange.reply_bytes)},
                       {"ms", std::to_string(static_cast<std::int64_t>(seconds * 1000.0))},
                       {"request_id", exchange.id}});
}

/// LibTorch's own default is one thread on some virtual machines, whatever their cores.
int model_threads(const ServeConfig& config) {
  return config.model_threads > 0 ? config.model_threads : usable_processors();
}

RepositoryOptions repository_options(const ServeConfig& config) {
  RepositoryOptions options = config.models;
  options.batch.prepare_in_pauses = model_threads(config) >= usable_processors();
  return options;
}

void reload_or_keep(const char* what, const std::function<void()>& reload) {
  try {
    reload();
  } catch (const std::exception& error) {
    log_error("not read again: what was before stays", {{"what", what}, {"error", error.what()}});
  }
}

/// All parts of a running server, wired together.
class Application {
 public:
  explicit Application(const ServeConfig& config)
      : config_(config),
        metrics_(config.drift),
        models_(
            repository_options(config),
            [threads = model_threads(config)](const auto& path) { return load_predictor(path, threads); }, metrics_),
        decoder_(std::make_shared<Decoder>(config.decoder,
                                           [this](WorkerEnd end) { metrics_.count_decoder_restart(to_string(end)); })),
        service_(models_, service_options(), metrics_),
        explainer_(config.explain, decoder_, metrics_),
        jobs_(config.jobs),
        router_(make_routes({service_, explainer_, jobs_, metrics_, config.uploads, ready_})),
        front_door_(config.security, router_),
        server_(config.http, handlers()) {
    GaugeSources sources;
    sources.queue_depth = [this] { return static_cast<double>(service_.queue_depth()); };
    sources.in_progress = [this] { return static_cast<double>(service_.in_progress()); };
    sources.queue_used = [this] { return static_cast<double>(service_.queue_used()); };
    sources.queue_capacity = [this] { return static_cast<double>(service_.capacity()); };
    sources.connections = [this] { return static_cast<double>(server_.connections()); };
    sources.upload_bytes = [this] { return static_cast<double>(server_.upload_bytes()); };
    sources.ready = [this] { return ready_ && models_.ready() ? 1.0 : 0.0; };
    sources.explaining = [this] { return static_cast<double>(explainer_.in_progress()); };
    sources.jobs = [this] { return static_cast<double>(jobs_.running()); };
    sources.job_bytes = [this] { return static_cast<double>(jobs_.result_bytes()); };
    sources.decoder_processes = [this] { return static_cast<double>(decoder_->processes()); };
    metrics_.connect(std::move(sources));
  }

  /// Throws when there is nothing to serve, or nowhere.
  void start() {
    models_.load_all();
    ready_ = true;
    server_.start();
    log_info("listening", {{"address", server_.address()}});
  }

  /// Prints the configuration and the models that would be served. Throws where one cannot be loaded.
  void check() {
    models_.load_all();
    std::cout << config_.effective << "\n";
    for (const IndexEntry& entry : models_.index()) {
      if (!entry.reason.empty()) throw InvalidInput("models", entry.name + ": " + entry.reason);
    }
    for (const auto& model : models_.models()) {
      std::cout << "# model " << model->name() << ", version " << model->version() << ", sha256 " << model->sha256()
                << "\n";
    }
  }

  /// What is on disk now: models, keys and certificate; what cannot be used is told and left out.
  void reload() {
    log_info("looking for models, keys and a certificate that changed");
    models_.later([this] { models_.reload_changed(); });
    reload_or_keep("keys", [this] { front_door_.reload(); });
    reload_or_keep("certificate", [this] { server_.reload_tls(); });
  }

  /// Not ready any more; what is in flight is answered, then everything is closed.
  void shut_down() {
    ready_ = false;
    log_info("shutting down", {{"in_progress", std::to_string(service_.in_progress())}});
    server_.drain();
    const auto end = std::chrono::steady_clock::now() + config_.shutdown_grace;
    const bool fetched = jobs_.drain(kFetch, end);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (!server_.wait_until_quiet(kSettle, std::max(left, std::chrono::milliseconds(0))) || !fetched) {
      log_warning("requests were still in flight after the grace period",
                  {{"in_progress", std::to_string(service_.in_progress())}});
    }
    jobs_.close();
    explainer_.close();
    service_.close();
    server_.stop();
    log_info("stopped");
  }

 private:
  ServiceOptions service_options() const {
    ServiceOptions options = config_.service;
    options.decoder = decoder_;
    return options;
  }

  HttpHandlers handlers() {
    HttpHandlers handlers;
    handlers.admit = [this](const RequestHead& head, const AdmissionInfo& info) {
      std::optional<HttpResponse> refusal = front_door_.admit(head, info);
      if (refusal && head.path.starts_with("/v2/")) refusal = inference_error(std::move(*refusal));
      return refusal;
    };
    handlers.handle = [this](HttpRequest request, const Responder& respond) {
      front_door_.handle(std::move(request), respond);
    };
    handlers.observe = [this](const Exchange& exchange) { log_exchange(metrics_, exchange); };
    return handlers;
  }

  const ServeConfig config_;
  std::atomic<bool> ready_{false};
  Metrics metrics_;
  ModelRepository models_;
  std::shared_ptr<const Decoder> decoder_;
  Service service_;
  Explainer explainer_;
  Jobs jobs_;
  Router router_;
  FrontDoor front_door_;
  HttpServer server_;
};

ServeConfig configuration(const ServeArguments& arguments) {
  std::vector<std::string> overrides = arguments.common.overrides;
  if (arguments.host) overrides.push_back("serve.host='" + *arguments.host + "'");
  if (arguments.port) overrides.push_back("serve.port=" + std::to_string(*arguments.port));
  ServeConfig config = load_serve_config(arguments.common.config, overrides);
  config.models.bundle = arguments.bundle;
  config.models.folder = arguments.models;
  return config;
}

int wait_for(const sigset_t& signals) {
  int received = 0;
  sigwait(&signals, &received);
  log_info("signal", {{"number", std::to_string(received)}});
  return received;
}

void end_at_second_signal(const sigset_t& signals) {
  std::thread([signals] {
    while (wait_for(signals) == SIGHUP) continue;
    log_warning("second signal: ending at once");
    std::_Exit(kExitFailed);
  }).detach();
}

}  // namespace

void add_serve_options(CLI::App& program, ServeArguments& arguments) {
  CLI::Option* bundle = program.add_option("--bundle", arguments.bundle, "Model bundle to serve (bundle.pt of a run)");
  program
      .add_option(
          "--models", arguments.models,
          "Folder of models to serve: NAME/bundle.pt or NAME/VERSION/bundle.pt (the folder of a comparison is one)")
      ->excludes(bundle);
  program.add_option("--host", arguments.host, "Address to listen on; 0.0.0.0 for every interface");
  program.add_option("--port", arguments.port, "Port to listen on; 0 picks a free one");
  add_configuration_options(program, arguments.common);
}

/// Each batch takes the same blocks of tens of megabytes: mapped anew, the kernel would clear them every time, which
/// cost a third of the requests a second. One arena, because glibc maps such blocks in all others whatever it is told.
void keep_freed_memory() {
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

void serve(const ServeArguments& arguments) {
  const ServeConfig config = configuration(arguments);
  if (arguments.bundle.empty() && arguments.models.empty()) {
    if (!arguments.common.check) throw UsageError("say what to serve: --bundle FILE or --models FOLDER");
    std::cout << config.effective << "\n";
    return;
  }
  const sigset_t signals = block_signals();  // before any thread starts: all inherit it
  cv::setNumThreads(1);                      // slices are prepared side by side; threads inside one only add waiting
  keep_freed_memory();
  Application application(config);
  if (arguments.common.check) return application.check();
  application.start();
  while (wait_for(signals) == SIGHUP) application.reload();
  end_at_second_signal(signals);
  application.shut_down();
}

}  // namespace pulmo::serving
