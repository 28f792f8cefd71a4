#include "serving/guard.h"

#include <fcntl.h>
#include <pistache/config.h>
#include <pistache/peer.h>
#include <sys/socket.h>

#include <exception>
#include <vector>

#include "core/support/log.h"

namespace pulmo::serving {
namespace {

constexpr const char* kConnectionKey = "connection";
constexpr std::size_t kReadBytes = 64 * 1024;

std::shared_ptr<Connection> connection_of(const std::shared_ptr<Pistache::Tcp::Peer>& peer) {
  return std::static_pointer_cast<Connection>(peer->tryGetData(kConnectionKey));
}

/// Pistache's thread sees the end of the stream next and closes its side.
void hang_up(const std::shared_ptr<Pistache::Tcp::Peer>& peer) {
  ::shutdown(peer->fd(), SHUT_RDWR);
}

/// What else has come: Pistache reads 4 KiB at a time, and a slice has half a MiB. Like it, reads until nothing is
/// left. The end of the stream and errors are left to it: it meets them when it reads next.
void receive_rest(Connection& connection, int descriptor) {
  thread_local std::vector<char> buffer(kReadBytes);
  while (true) {
    const ssize_t count = ::recv(descriptor, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count <= 0) return;
    connection.receive({buffer.data(), static_cast<std::size_t>(count)});
    if (static_cast<std::size_t>(count) < buffer.size()) return;
  }
}

}  // namespace

void Guard::onRequest(const Pistache::Http::Request& /*request*/, Pistache::Http::ResponseWriter response) {
  response.send(Pistache::Http::Code::Internal_Server_Error);
}

void Guard::onConnection(const std::shared_ptr<Pistache::Tcp::Peer>& peer) {
  // An exception here would end Pistache's thread, and with it the process.
  try {
    // Pistache's timer asks every peer for its parser; this one stays empty, and the timer's limits are set to years.
    peer->putData(ParserData, std::make_shared<Pistache::Http::RequestParser>(1));
    welcome(peer);
  } catch (const std::exception& error) {
    log_error("connection dropped", {{"error", error.what()}});
    hang_up(peer);
  }
}

void Guard::welcome(const std::shared_ptr<Pistache::Tcp::Peer>& peer) const {
  const std::size_t open = state_->keeper->count();
  if (open >= 2 * state_->max_connections) {
    hang_up(peer);
    return;
  }
  // High numbers, so that Pistache's own stay consecutive: it deals connections to its threads by number.
  const int descriptor = ::fcntl(peer->fd(), F_DUPFD_CLOEXEC, state_->first_descriptor);
  if (descriptor < 0) {
    hang_up(peer);
    return;
  }
  const auto connection = std::make_shared<Connection>(descriptor, state_->host);
  peer->putData(kConnectionKey, connection);
  state_->keeper->add(connection);
  if (open >= state_->max_connections) {
    connection->turn_away("too_many_connections", "the server has too many connections: try again");
  }
}

void Guard::onInput(const char* buffer, size_t length, const std::shared_ptr<Pistache::Tcp::Peer>& peer) {
  try {
    const auto connection = connection_of(peer);
    if (!connection) return;
    connection->receive({buffer, length});
    if (length == Pistache::Const::MaxBuffer) receive_rest(*connection, peer->fd());
  } catch (const std::exception& error) {
    log_error("connection dropped", {{"error", error.what()}});
    hang_up(peer);
  }
}

void Guard::onDisconnection(const std::shared_ptr<Pistache::Tcp::Peer>& peer) {
  try {
    if (const auto connection = connection_of(peer)) connection->end_of_input();
  } catch (const std::exception& error) {
    log_error("connection dropped", {{"error", error.what()}});
  }
}

}  // namespace pulmo::serving
