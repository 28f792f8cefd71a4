#include "serving/http/keeper.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "core/support/error.h"
#include "core/support/log.h"

namespace pulmo::serving {
namespace {

constexpr int kTickMs = 100;  // how late a time limit may be noticed

}  // namespace

ConnectionKeeper::ConnectionKeeper(std::function<void()> at_each_look)
    : at_each_look_(std::move(at_each_look)), wake_descriptor_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (wake_descriptor_ < 0) throw IoError("no descriptor left for the connection keeper: raise the limit (ulimit -n)");
  thread_ = std::thread([this] { run(); });
}

ConnectionKeeper::~ConnectionKeeper() {
  stopping_ = true;
  wake();
  thread_.join();
  ::close(wake_descriptor_);
}

void ConnectionKeeper::add(std::shared_ptr<Connection> connection) {
  const std::lock_guard lock(mutex_);
  connections_.push_back(std::move(connection));
}

void ConnectionKeeper::wake() const {
  const std::uint64_t one = 1;
  // A full counter means that a wake-up is already waiting.
  [[maybe_unused]] const ssize_t written = ::write(wake_descriptor_, &one, sizeof one);
}

std::vector<std::shared_ptr<Connection>> ConnectionKeeper::snapshot() const {
  const std::lock_guard lock(mutex_);
  return connections_;
}

std::size_t ConnectionKeeper::count() const {
  const auto connections = snapshot();
  return static_cast<std::size_t>(std::count_if(connections.begin(), connections.end(),
                                                [](const auto& connection) { return !connection->closed(); }));
}

bool ConnectionKeeper::quiet() const {
  const auto connections = snapshot();
  return std::none_of(connections.begin(), connections.end(),
                      [](const auto& connection) { return !connection->late() && connection->busy(); });
}

void ConnectionKeeper::close_idle() const {
  for (const auto& connection : snapshot()) connection->close_if_idle();
}

void ConnectionKeeper::run() {
  while (!stopping_) {
    try {
      {
        const std::lock_guard lock(mutex_);
        std::erase_if(connections_, [](const auto& connection) { return connection->closed(); });
      }
      const auto connections = snapshot();
      wait_for_sockets(connections);
      const Clock::time_point now = Clock::now();
      for (const auto& connection : connections) connection->check(now);
      if (at_each_look_) at_each_look_();
    } catch (const std::exception& error) {
      log_error("connection keeper", {{"error", error.what()}});
    }
  }
}

void ConnectionKeeper::wait_for_sockets(const std::vector<std::shared_ptr<Connection>>& connections) const {
  std::vector<pollfd> sockets{{wake_descriptor_, POLLIN, 0}};
  std::vector<const std::shared_ptr<Connection>*> waiting{nullptr};
  for (const auto& connection : connections) {
    const int descriptor = connection->awaiting_write();
    if (descriptor < 0) continue;
    sockets.push_back({descriptor, POLLOUT, 0});
    waiting.push_back(&connection);
  }
  ::poll(sockets.data(), sockets.size(), kTickMs);
  std::uint64_t ignored = 0;
  [[maybe_unused]] const ssize_t got = ::read(wake_descriptor_, &ignored, sizeof ignored);
  for (std::size_t i = 1; i < sockets.size(); ++i) {
    if (sockets[i].revents != 0) (*waiting[i])->flush();
  }
}

}  // namespace pulmo::serving
