#include "training/watch/pusher.h"

#include <curl/curl.h>
#include <unistd.h>

#include <memory>

#include "core/support/error.h"
#include "core/support/log.h"

namespace pulmo::training {
namespace {

constexpr long kConnectSeconds = 3;
constexpr long kTransferSeconds = 5;

std::string instance_name() {
  char host[256] = "localhost";
  ::gethostname(host, sizeof host - 1);
  return std::string(host) + "." + std::to_string(::getpid());
}

std::string checked(std::string url) {
  while (!url.empty() && url.back() == '/') url.pop_back();
  const bool http = url.rfind("http://", 0) == 0 || url.rfind("https://", 0) == 0;
  if (!http || url.find_first_of(" \t\r\n@?#") != std::string::npos) {
    throw InvalidInput("configuration", "watch.push_url: '" + url + "' is not of the form http://host:9091");
  }
  return url;
}

std::size_t drop(char*, std::size_t size, std::size_t count, void*) {
  return size * count;
}

// Empty when the gateway took it, else why not.
std::string put(const std::string& target, const std::string& body) {
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), &curl_easy_cleanup);
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(
      curl_slist_append(nullptr, "Content-Type: text/plain; version=0.0.4; charset=utf-8"), &curl_slist_free_all);
  if (!curl || !headers) return "out of memory";
  curl_easy_setopt(curl.get(), CURLOPT_URL, target.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, "PUT");
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &drop);
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, kTransferSeconds);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  const CURLcode done = curl_easy_perform(curl.get());
  if (done != CURLE_OK) return curl_easy_strerror(done);
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  return status >= 200 && status < 300 ? "" : "it answers " + std::to_string(status);
}

}  // namespace

Pusher::Pusher(const std::string& url, std::chrono::duration<double> every, std::function<std::string()> text)
    : target_(checked(url) + "/metrics/job/pulmo-train/instance/" + instance_name()),
      every_(every),
      text_(std::move(text)) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (ready != CURLE_OK) throw IoError("libcurl does not start: no metrics can be pushed");
  thread_ = std::thread([this] { run(); });
}

Pusher::~Pusher() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Pusher::run() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, every_, [this] { return closing_; })) {
    lock.unlock();
    push();
    lock.lock();
  }
  lock.unlock();
  push();
}

void Pusher::push() {
  const std::string failure = put(target_, text_());
  if (failure.empty() == !failing_) return;
  failing_ = !failure.empty();
  if (failing_) {
    log_warning("the push gateway does not take the metrics", {{"url", target_}, {"problem", failure}});
  } else {
    log_info("the push gateway takes the metrics again", {{"url", target_}});
  }
}

}  // namespace pulmo::training
