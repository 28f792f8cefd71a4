#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace pulmo::training {

/// Sends the metrics to a Prometheus push gateway from a thread of its own, so that a slow or missing gateway never
/// holds the training up: PUT URL/metrics/job/pulmo-train/instance/HOST.PID every so often, and once more at the end.
/// The first of several failures in a row is logged, as is the end of them.
class Pusher {
 public:
  /// `text` gives the body (text format) and must be thread-safe. Throws InvalidInput("configuration") for a URL that
  /// is not http://host:port or https://host:port.
  Pusher(const std::string& url, std::chrono::duration<double> every, std::function<std::string()> text);
  /// Pushes once more; waits for at most the few seconds that a push may take.
  ~Pusher();
  Pusher(const Pusher&) = delete;
  Pusher& operator=(const Pusher&) = delete;

 private:
  void run();
  void push();

  std::string target_;
  std::chrono::duration<double> every_;
  std::function<std::string()> text_;
  bool failing_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace pulmo::training
