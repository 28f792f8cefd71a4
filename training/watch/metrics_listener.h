#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <thread>

namespace pulmo::training {

/// Answers `GET /metrics` on a port of its own from one thread, one client after another, each within two seconds;
/// every other request gets 404, 405 or 400 and the connection is closed.
class MetricsListener {
 public:
  /// `address`: numeric, IPv4 or IPv6; `port` 0 takes a free one. `text` gives the body (text format) and must be
  /// thread-safe. Throws IoError when the port cannot be had, saying why.
  MetricsListener(const std::string& address, std::uint16_t port, std::function<std::string()> text);
  ~MetricsListener();
  MetricsListener(const MetricsListener&) = delete;
  MetricsListener& operator=(const MetricsListener&) = delete;

  std::uint16_t port() const { return port_; }

 private:
  void run();

  std::function<std::string()> text_;
  int listening_ = -1;
  int wake_ = -1;  ///< readable when the thread is to end
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace pulmo::training
