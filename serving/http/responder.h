#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "serving/http/message.h"

namespace pulmo::serving {

/// The way back of one request: call it once, from any thread, now or later. Copies share the one reply; when the last
/// copy dies unused the client gets a 500, so that no request can be left without an answer.
class Responder {
 public:
  using Sink = std::function<void(HttpResponse)>;

  Responder(Sink sink, std::string request_id)
      : state_(std::make_shared<State>(std::move(sink), std::move(request_id))) {}

  /// Only the first call counts.
  void operator()(HttpResponse response) const { state_->send(std::move(response)); }
  const std::string& request_id() const { return state_->id; }

 private:
  struct State {
    State(Sink to, std::string request_id) : sink(std::move(to)), id(std::move(request_id)) {}
    ~State() {
      if (done) return;
      try {
        send(error_response(500, "internal", "the request was dropped by the server", id));
      } catch (...) {  // out of memory: the connection's own time limits end it
      }
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    void send(HttpResponse response) {
      if (!done.exchange(true)) sink(std::move(response));
    }

    Sink sink;
    std::string id;
    std::atomic<bool> done{false};
  };

  std::shared_ptr<State> state_;
};

}  // namespace pulmo::serving
