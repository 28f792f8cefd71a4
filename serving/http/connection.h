#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "serving/http/message.h"
#include "serving/http/request_reader.h"
#include "serving/http/responder.h"
#include "serving/http/tls.h"
#include "serving/http/upload_budget.h"

namespace pulmo::serving {

struct HttpTimeouts {
  std::chrono::milliseconds head{
      10'000};  ///< from a request's first byte (or the connection) to the end of its headers
  std::chrono::milliseconds body{60'000};   ///< from there to the end of its body
  std::chrono::milliseconds idle{60'000};   ///< between two requests of a kept connection
  std::chrono::milliseconds write{30'000};  ///< without the client taking a byte of the reply
  std::chrono::milliseconds linger{2'000};  ///< after the last reply, for the client to read it and close
};

/// What became of a request: one line of the access log, and one count.
struct Exchange {
  std::string method;  ///< empty when it was refused before it had one
  std::string route;   ///< template; empty when no route answered
  std::string code;    ///< of the error; empty when there was none
  std::string id;
  int status = 0;
  std::size_t reply_bytes = 0;
  Clock::time_point started;  ///< its first byte
  Clock::duration took{};
};

/// What an admission decides on, beside the head.
struct AdmissionInfo {
  std::string id;        ///< of the request
  bool late = false;     ///< its connection was opened after the server began to shut down
  std::string client{};  ///< numeric address of the peer; empty when it is no IP
};

/// What the server does with requests. All are called from several threads at once and must not block for long; `admit`
/// on those of the sockets, `handle` on those of the handlers.
struct HttpHandlers {
  /// On the head alone, before the body is read: a reply refuses it.
  std::function<std::optional<HttpResponse>(const RequestHead& head, const AdmissionInfo& info)> admit;
  std::function<void(HttpRequest request, Responder respond)> handle;
  std::function<void(const Exchange& exchange)> observe;
};

/// The certificate that new connections get: it may be replaced at any time. Thread-safe.
class TlsHolder {
 public:
  /// Null: connections speak plain HTTP.
  std::shared_ptr<const TlsContext> get() const {
    const std::lock_guard lock(mutex_);
    return context_;
  }
  void set(std::shared_ptr<const TlsContext> context) {
    const std::lock_guard lock(mutex_);
    context_ = std::move(context);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const TlsContext> context_;
};

/// What all connections of a server share.
struct ConnectionHost {
  HttpLimits limits;
  HttpTimeouts timeouts;
  HttpHandlers handlers;
  std::shared_ptr<UploadBudget> budget;
  TlsHolder tls;
  std::function<std::string()> next_request_id;
  std::function<void()> wake_keeper;  ///< a connection waits for its socket to become writable
  /// Runs the task on a thread of the handlers, after those that wait; a connection has one waiting at most. False, and
  /// the task dropped, once the server has ended.
  std::function<bool(std::function<void()> task)> run_later;
  std::atomic<bool> draining{false};  ///< every reply is the last of its connection
};

/// One client's socket: requests in, replies out, one at a time and in order. Bytes of a pipelined request wait until
/// the reply before it is out. Owns its descriptor (a duplicate of the acceptor's), so a late reply can never reach
/// another client that got the same number. Thread-safe.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  /// Takes over `descriptor`.
  Connection(int descriptor, std::shared_ptr<ConnectionHost> host);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void receive(std::string_view data);
  /// The client sends no more. A reply under way is still delivered.
  void end_of_input();
  /// Answers at once with 503 `code` and closes.
  void turn_away(const std::string& code, const std::string& message);

  /// Sends what waits; for the keeper, when the socket is writable.
  void flush();
  /// Enforces the time limits.
  void check(Clock::time_point now);
  /// Ends it now if nothing is under way.
  void close_if_idle();

  bool closed() const;
  /// Part of a request is here, or a reply is not out yet.
  bool busy() const;
  /// Opened after the server began to shut down.
  bool late() const { return late_; }
  /// The descriptor to poll for writing, or -1.
  int awaiting_write() const;

 private:
  enum class State { kReading, kHandling, kClosing, kDraining, kClosed };

  void receive_plain(std::string_view data);
  void receive_sealed(std::string_view data);
  void put(std::string_view plain);
  void put_sealed();
  void end_locked();
  void run(std::string_view data);
  void go_on();
  void take_turn();
  bool react(std::string_view& rest);
  bool on_head();
  bool charge(std::size_t bytes);
  void dispatch(std::string_view& rest);
  void handle(HttpRequest& request, std::uint64_t number);
  void respond(std::uint64_t number, const HttpResponse& response);
  void refuse(const HttpResponse& response);
  void queue(const HttpResponse& response, bool keep);
  void flush_locked();
  void finish_writing();
  void close_now();
  void keep_backlog(std::string_view data);
  void enforce_reading(Clock::time_point now);
  const std::string& exchange_id();

  mutable std::mutex mutex_;
  int descriptor_;
  const std::shared_ptr<ConnectionHost> host_;
  const bool late_;           ///< opened while the server shuts down
  const std::string client_;  ///< its address
  const std::shared_ptr<const TlsContext> tls_context_;
  std::unique_ptr<TlsSession> tls_;  ///< null: plain HTTP
  State state_ = State::kReading;
  RequestReader reader_;
  bool going_on_ = false;     ///< its turn to read the backlog will come
  bool fresh_ = true;         ///< no request has come yet
  bool input_ended_ = false;  ///< the client closed its side
  bool overrun_ = false;      ///< it sent more ahead than is kept: close after the reply
  std::string backlog_;       ///< received while a request is being handled
  std::string out_;           ///< replies, as they go to the wire; sent up to sent_
  std::size_t sent_ = 0;
  std::size_t drained_ = 0;        ///< bytes thrown away after the last reply
  std::uint64_t exchange_ = 0;     ///< number of the request being handled
  Exchange current_;               ///< what is known of it
  bool client_keeps_ = true;       ///< the client of it wishes to keep the connection
  Clock::time_point since_;        ///< begin of the present waiting for input
  Clock::time_point write_since_;  ///< last time the client took bytes
  std::shared_ptr<UploadLease> lease_;
};

}  // namespace pulmo::serving
