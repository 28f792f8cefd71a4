#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "serving/http/connection.h"

namespace pulmo::serving {

/// Looks after the connections of a server on a thread of its own: enforces their time limits and sends on what did not
/// fit into a socket at once. Thread-safe.
class ConnectionKeeper {
 public:
  /// `at_each_look`, at least ten times a second, must not block. Throws IoError when the kernel gives no descriptor.
  explicit ConnectionKeeper(std::function<void()> at_each_look = {});
  ~ConnectionKeeper();
  ConnectionKeeper(const ConnectionKeeper&) = delete;
  ConnectionKeeper& operator=(const ConnectionKeeper&) = delete;

  void add(std::shared_ptr<Connection> connection);
  /// Makes it look at once. Never blocks.
  void wake() const;
  /// Connections that are not closed.
  std::size_t count() const;
  /// True when no connection has a request or a reply under way; late ones, which are only told to go away, aside.
  bool quiet() const;
  void close_idle() const;

 private:
  void run();
  void wait_for_sockets(const std::vector<std::shared_ptr<Connection>>& connections) const;
  std::vector<std::shared_ptr<Connection>> snapshot() const;

  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Connection>> connections_;
  const std::function<void()> at_each_look_;
  int wake_descriptor_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace pulmo::serving
