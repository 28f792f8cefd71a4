#include "serving/http_server.h"

#include <malloc.h>
#include <pistache/endpoint.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <random>
#include <thread>

#include "core/support/error.h"
#include "core/support/log.h"
#include "core/support/seed.h"
#include "serving/guard.h"
#include "serving/thread_pool.h"

namespace pulmo::serving {
namespace {

constexpr int kOwnDescriptors = 64;                                // listening socket, epolls, libraries, log
constexpr std::uint64_t kLargeUploads = std::uint64_t{64} << 20U;  // all together, at one time
constexpr auto kNever = std::chrono::hours(24 * 365 * 10);         // our own time limits replace Pistache's

/// Raises the descriptor limit as far as allowed and returns it.
std::size_t raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 65536);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

/// An IPv6 address as URLs (and Pistache) write it; anything else as it is.
std::string bracketed(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

/// Request ids need to be unique among servers and restarts, not secret.
std::function<std::string()> make_request_ids() {
  const std::uint64_t process = (std::uint64_t{std::random_device{}()} << 32U) ^ std::random_device{}();
  const auto next = std::make_shared<std::atomic<std::uint64_t>>(0);
  return [process, next] {
    const std::uint64_t id = derive_seed(process, "request-id", 0, 0, next->fetch_add(1));
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text(16, '0');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = kDigits[(id >> (60 - 4 * i)) & 15U];
    return text;
  };
}

/// The allocator keeps what is freed (serve() tells it so); of large uploads the system gets it back. Not thread-safe.
class MemoryOfUploads {
 public:
  explicit MemoryOfUploads(std::shared_ptr<UploadBudget> budget) : budget_(std::move(budget)) {}

  /// A moment after they were given back to the budget: then their last owners have let go of them too.
  void return_to_system() {
    const Clock::time_point now = Clock::now();
    if (budget_->ebbed(kLargeUploads)) due_ = now + std::chrono::milliseconds(500);
    if (!due_ || now < *due_) return;
    due_.reset();
    ::malloc_trim(0);
  }

 private:
  const std::shared_ptr<UploadBudget> budget_;
  std::optional<Clock::time_point> due_;
};

}  // namespace

struct HttpServer::Impl {
  explicit Impl(HttpServerOptions given) : options(std::move(given)), handlers(options.io_threads) {}

  HttpServerOptions options;
  ThreadPool handlers;
  std::shared_ptr<ConnectionHost> host = std::make_shared<ConnectionHost>();
  std::shared_ptr<ConnectionKeeper> keeper;
  std::unique_ptr<Pistache::Http::Endpoint> endpoint;
  std::uint16_t port = 0;
};

HttpServer::HttpServer(HttpServerOptions options, HttpHandlers handlers)
    : impl_(std::make_unique<Impl>(std::move(options))) {
  ConnectionHost& host = *impl_->host;
  host.limits = impl_->options.limits;
  host.timeouts = impl_->options.timeouts;
  host.handlers = std::move(handlers);
  host.budget = std::make_shared<UploadBudget>(impl_->options.max_upload_bytes);
  host.run_later = [impl = impl_.get()](std::function<void()> task) { return impl->handlers.submit(std::move(task)); };
  impl_->keeper = std::make_shared<ConnectionKeeper>(
      [memory = std::make_shared<MemoryOfUploads>(host.budget)] { memory->return_to_system(); });
  host.next_request_id = make_request_ids();
  host.wake_keeper = [keeper = std::weak_ptr(impl_->keeper)] {
    if (const auto alive = keeper.lock()) alive->wake();
  };
}

HttpServer::~HttpServer() {
  stop();
}

void HttpServer::reload_tls() {
  const HttpServerOptions& options = impl_->options;
  if (options.tls_certificate.empty()) return;
  impl_->host->tls.set(std::make_shared<const TlsContext>(options.tls_certificate, options.tls_key));
}

void HttpServer::start() {
  HttpServerOptions& options = impl_->options;
  reload_tls();
  const std::size_t descriptors = raise_descriptor_limit();
  // Each connection holds two descriptors, and up to twice the connections are open while some are turned away.
  const std::size_t possible = descriptors > kOwnDescriptors * 2 ? (descriptors - kOwnDescriptors * 2) / 4 : 1;
  if (options.max_connections > possible) {
    log_warning("fewer connections than configured: the descriptor limit is low",
                {{"configured", std::to_string(options.max_connections)}, {"possible", std::to_string(possible)}});
    options.max_connections = possible;
  }
  auto state = std::make_shared<GuardState>();
  state->host = impl_->host;
  state->keeper = impl_->keeper;
  state->max_connections = options.max_connections;
  state->first_descriptor = static_cast<int>(descriptors / 2);
  const std::string place = options.host + ":" + std::to_string(options.port);
  try {
    namespace Http = Pistache::Http;
    impl_->endpoint =
        std::make_unique<Http::Endpoint>(Pistache::Address(bracketed(options.host), Pistache::Port(options.port)));
    auto settings = Http::Endpoint::options();
    settings.threads(options.io_threads).flags(Pistache::Tcp::Options::ReuseAddr | Pistache::Tcp::Options::CloseOnExec);
    settings.headerTimeout(kNever).bodyTimeout(kNever).keepaliveTimeout(kNever);
    impl_->endpoint->init(settings);
    impl_->endpoint->setHandler(std::make_shared<Guard>(state));
    impl_->endpoint->serveThreaded();
  } catch (const std::exception& error) {
    impl_->endpoint.reset();
    throw IoError("cannot listen on " + place + ": " + error.what() +
                  "; choose another --port (0 picks a free one) or --host");
  }
  impl_->port = impl_->endpoint->getPort();
}

std::uint16_t HttpServer::port() const {
  return impl_->port;
}

std::string HttpServer::address() const {
  std::string host = impl_->options.host;
  if (host == "0.0.0.0" || host == "::") host = host == "::" ? "::1" : "127.0.0.1";
  const std::string scheme = impl_->options.tls_certificate.empty() ? "http://" : "https://";
  return scheme + bracketed(host) + ":" + std::to_string(impl_->port);
}

void HttpServer::drain() {
  impl_->host->draining = true;
}

bool HttpServer::wait_until_quiet(std::chrono::milliseconds settle, std::chrono::milliseconds limit) const {
  const auto deadline = Clock::now() + limit;
  auto quiet_since = Clock::now();
  while (true) {
    const auto now = Clock::now();
    if (!impl_->keeper->quiet()) quiet_since = now;
    if (now - quiet_since >= settle) return true;
    if (now >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void HttpServer::stop() {
  if (!impl_->endpoint) return;
  impl_->keeper->close_idle();
  impl_->endpoint->shutdown();
  impl_->endpoint.reset();
  impl_->handlers.close();
}

std::size_t HttpServer::connections() const {
  return impl_->keeper->count();
}

std::uint64_t HttpServer::upload_bytes() const {
  return impl_->host->budget->used_bytes();
}

}  // namespace pulmo::serving
