#pragma once

#include <pistache/http.h>

#include <atomic>
#include <cstddef>
#include <memory>

#include "serving/http/connection.h"
#include "serving/http/keeper.h"

namespace pulmo::serving {

/// What the guards of a server's reactor threads share.
struct GuardState {
  std::shared_ptr<ConnectionHost> host;
  std::shared_ptr<ConnectionKeeper> keeper;
  std::size_t max_connections = 512;
  int first_descriptor = 256;  ///< our duplicates are numbered from here on
};

/// Stands between Pistache's reactor and its HTTP parser: takes every byte first, and the parser gets none. Pistache
/// 0.0.5 spins for ever on a split chunk, allocates whatever Content-Length says, parses the rest of a refused body as
/// the next request, loses pipelined requests, and spins on a slow reader; requests are therefore read by RequestReader
/// and answered through Connection. Pistache accepts, polls and reads. It reads a socket until nothing is left, so that
/// nothing slow is done on its threads: who sends without a pause would have one for himself.
///
/// Pistache clones the handler for each of its threads: all state is shared.
class Guard : public Pistache::Http::Handler {
  HTTP_PROTOTYPE(Guard)

 public:
  explicit Guard(std::shared_ptr<const GuardState> state) : state_(std::move(state)) {}

  /// Never reached, since the parser is never fed.
  void onRequest(const Pistache::Http::Request& request, Pistache::Http::ResponseWriter response) override;
  void onDisconnection(const std::shared_ptr<Pistache::Tcp::Peer>& peer) override;

 private:
  void onConnection(const std::shared_ptr<Pistache::Tcp::Peer>& peer) override;
  void onInput(const char* buffer, size_t length, const std::shared_ptr<Pistache::Tcp::Peer>& peer) override;
  void welcome(const std::shared_ptr<Pistache::Tcp::Peer>& peer) const;

  std::shared_ptr<const GuardState> state_;
};

}  // namespace pulmo::serving
