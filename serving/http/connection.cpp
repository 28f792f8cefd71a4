#include "serving/http/connection.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <exception>

#include "core/support/log.h"

namespace pulmo::serving {
namespace {

constexpr std::size_t kMaxBacklogBytes = std::size_t{64} * 1024;  // pipelined requests that wait
constexpr std::size_t kMaxDrainedBytes =
    std::size_t{16} * 1024 * 1024;  // what a refused client may still send us before the reset

/// "192.0.2.1" or "2001:db8::1"; IPv4 within IPv6 as IPv4.
std::string peer_address(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  char host[NI_MAXHOST] = {};
  if (::getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, host, sizeof host, nullptr, 0, NI_NUMERICHOST) !=
      0) {
    return {};
  }
  const std::string_view text(host);
  constexpr std::string_view kMapped = "::ffff:";
  return std::string(text.starts_with(kMapped) ? text.substr(kMapped.size()) : text);
}

}  // namespace

Connection::Connection(int descriptor, std::shared_ptr<ConnectionHost> host)
    : descriptor_(descriptor),
      host_(std::move(host)),
      late_(host_->draining),
      client_(peer_address(descriptor)),
      tls_context_(host_->tls.get()),
      tls_(tls_context_ ? std::make_unique<TlsSession>(*tls_context_) : nullptr),
      reader_(host_->limits),
      since_(Clock::now()),
      write_since_(since_) {
  const int on = 1;  // fails on sockets that are not TCP, where there is nothing to switch off
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Connection::~Connection() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void Connection::receive(std::string_view data) {
  const std::lock_guard lock(mutex_);
  if (state_ == State::kDraining) {
    drained_ += data.size();
    if (drained_ > kMaxDrainedBytes) close_now();
  } else if (tls_ && state_ != State::kClosed) {
    receive_sealed(data);
  } else {
    receive_plain(data);
  }
}

/// What TLS itself has to say goes out at once; what the client says goes on as if it had come plain.
void Connection::receive_sealed(std::string_view data) {
  std::string plain;
  const bool open = tls_->receive(data, plain);
  put_sealed();
  if (!plain.empty()) receive_plain(plain);
  if (open || state_ == State::kClosed) return;
  if (tls_->plain_http()) {
    tls_.reset();
    refuse(error_response(400, "plain_http", "this port speaks HTTPS: begin the address with https://", exchange_id()));
  } else if (tls_->closed()) {  // broken: an alert may be on its way, nothing else
    backlog_ = {};
    state_ = State::kClosing;
    flush_locked();
  } else {
    end_locked();
  }
}

/// Puts bytes on their way to the client.
void Connection::put(std::string_view plain) {
  if (out_.empty()) write_since_ = Clock::now();
  if (!tls_) {
    out_ += plain;
    return;
  }
  tls_->send(plain);
  out_ += tls_->output();
}

void Connection::put_sealed() {
  const std::string sealed = tls_->output();
  if (sealed.empty()) return;
  if (out_.empty()) write_since_ = Clock::now();
  out_ += sealed;
  if (out_.size() - sent_ == sealed.size()) flush_locked();
}

void Connection::receive_plain(std::string_view data) {
  if (state_ == State::kReading && !going_on_ && out_.empty()) {
    run(data);
  } else if (state_ == State::kReading || state_ == State::kHandling) {
    keep_backlog(data);
  }
}

void Connection::keep_backlog(std::string_view data) {
  if (overrun_) return;
  overrun_ = backlog_.size() + data.size() > kMaxBacklogBytes;
  if (!overrun_) {
    backlog_.append(data);
    return;
  }
  // A request cut in the middle must not be read on as if it were whole: keep none of what did not fit, and where the
  // reply before it is decided already, which could have said so, end with that one.
  if (state_ == State::kReading) {
    backlog_.clear();
    state_ = State::kClosing;
    flush_locked();
  }
}

/// Reads until a request is whole, or refused, or the bytes are used up: one at a time, so that who sends many at once
/// has no more of a thread than others.
void Connection::run(std::string_view data) {
  std::string carried;
  bool answered = false;
  while (state_ == State::kReading && out_.empty() && !answered) {
    if (data.empty()) {
      if (backlog_.empty()) break;
      carried = std::exchange(backlog_, {});
      data = carried;
    }
    if (reader_.status() == RequestReader::Status::kBody && !charge(data.size())) break;
    data.remove_prefix(reader_.feed(data));
    answered = react(data);
  }
  if (!data.empty() && state_ == State::kReading) backlog_.insert(0, data);
  go_on();
}

/// Has the next request read, on a thread that serves all connections in turn: this one may be the model's, or that of
/// the sockets. Without one, an ended connection closes.
void Connection::go_on() {
  if (state_ != State::kReading || !out_.empty() || going_on_) return;
  if (!backlog_.empty()) {
    going_on_ = host_->run_later([self = shared_from_this()] { self->take_turn(); });
    if (!going_on_) close_now();
  } else if (input_ended_) {
    close_now();
  }
}

void Connection::take_turn() {
  const std::lock_guard lock(mutex_);
  going_on_ = false;
  if (state_ == State::kReading && out_.empty()) run({});
}

/// True when a reply was given at once.
bool Connection::react(std::string_view& rest) {
  const bool answered = reader_.status() == RequestReader::Status::kHeadComplete && on_head();
  if (state_ != State::kReading) return answered;
  if (reader_.status() == RequestReader::Status::kComplete) dispatch(rest);
  if (reader_.status() == RequestReader::Status::kRefused && state_ == State::kReading) {
    const HttpRefusal& refusal = reader_.refusal();
    refuse(error_response(refusal.status(), refusal.code(), refusal.what(), exchange_id()));
  }
  return answered;
}

/// Judges it; true when that was the reply.
bool Connection::on_head() {
  fresh_ = false;
  since_ = Clock::now();
  const RequestHead& head = reader_.head();
  current_ = {};
  current_.method = head.method;
  current_.started = reader_.started();
  client_keeps_ = head.keep_alive;
  const AdmissionInfo info{exchange_id(), late_, client_};
  if (const auto refusal = host_->handlers.admit(head, info)) {
    // A body that nobody reads cannot be told from the next request: close, unless there is none.
    if (head.content_length > 0) {
      refuse(*refusal);
      return true;
    }
    reader_.begin_body();
    reader_.take();
    queue(*refusal, client_keeps_ && !refusal->close && !host_->draining);
    return true;
  }
  if (head.expects_continue) {
    put("HTTP/1.1 100 Continue\r\n\r\n");
    flush_locked();
  }
  if (state_ == State::kReading) reader_.begin_body();
  return false;
}

/// Counts body bytes against the server's budget; refuses the request when that is spent.
bool Connection::charge(std::size_t bytes) {
  if (!lease_) lease_ = std::make_shared<UploadLease>(host_->budget);
  if (lease_->grow(bytes)) return true;
  HttpResponse refusal = error_response(503, "upload_budget", "too many uploads at once: try again", exchange_id());
  refusal.headers.push_back({"Retry-After", "1"});
  refuse(refusal);
  return false;
}

/// Gives the request to a thread of the handlers.
void Connection::dispatch(std::string_view& rest) {
  const auto request = std::make_shared<HttpRequest>(reader_.take());
  request->id = exchange_id();
  request->lease = std::move(lease_);
  lease_.reset();
  state_ = State::kHandling;
  backlog_.insert(0, rest);  // it came before anything that arrives from now on
  rest = {};
  const std::uint64_t number = ++exchange_;
  const bool taken = host_->run_later([self = shared_from_this(), request, number] { self->handle(*request, number); });
  if (!taken) refuse(error_response(503, "shutting_down", "the server is shutting down", exchange_id()));
}

void Connection::handle(HttpRequest& request, std::uint64_t number) {
  const Responder responder(
      [self = shared_from_this(), number](const HttpResponse& response) { self->respond(number, response); },
      request.id);
  try {
    host_->handlers.handle(std::move(request), responder);
  } catch (const std::exception& error) {
    log_error("request failed", {{"request_id", responder.request_id()}, {"error", error.what()}});
    responder(error_response(500, "internal", "internal error: see the server's log", responder.request_id()));
  }
}

void Connection::respond(std::uint64_t number, const HttpResponse& response) {
  const std::lock_guard lock(mutex_);
  if (state_ != State::kHandling || number != exchange_) return;
  const bool ending = host_->draining || input_ended_;
  queue(response, client_keeps_ && !response.close && !overrun_ && !(ending && backlog_.empty()));
  go_on();
}

void Connection::refuse(const HttpResponse& response) {
  lease_.reset();
  queue(response, false);
}

const std::string& Connection::exchange_id() {
  if (current_.id.empty()) current_.id = host_->next_request_id();
  return current_.id;
}

/// Puts a reply on its way and ends the exchange.
void Connection::queue(const HttpResponse& response, bool keep) {
  const bool head_only = current_.method == "HEAD";
  const std::string wire = serialise(response, {head_only, keep, exchange_id()});
  current_.route = response.route;
  current_.code = response.code;
  current_.status = response.status;
  current_.reply_bytes = wire.size();
  since_ = Clock::now();
  if (current_.started == Clock::time_point{}) current_.started = reader_.started();
  if (current_.started != Clock::time_point{}) current_.took = since_ - current_.started;
  host_->handlers.observe(current_);
  current_ = {};
  put(wire);
  state_ = keep ? State::kReading : State::kClosing;
  flush_locked();
}

void Connection::flush() {
  const std::lock_guard lock(mutex_);
  if (state_ == State::kClosed) return;
  flush_locked();
  go_on();
}

void Connection::flush_locked() {
  while (sent_ < out_.size()) {
    const ssize_t count = ::send(descriptor_, out_.data() + sent_, out_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0) {
      sent_ += static_cast<std::size_t>(count);
      write_since_ = Clock::now();
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      host_->wake_keeper();
      return;
    } else {
      close_now();  // the client is gone
      return;
    }
  }
  out_.clear();
  sent_ = 0;
  if (state_ == State::kClosing) finish_writing();
}

/// The last reply is with the kernel. Closing at once while the client still sends would reset the connection, and the
/// reset may overtake the reply: so only our side is closed, and the client's bytes are thrown away for a while.
void Connection::finish_writing() {
  if (tls_ && !tls_->closed()) {
    tls_->close();
    state_ = State::kClosing;
    out_ += tls_->output();
    flush_locked();  // comes back here
    return;
  }
  if (input_ended_) {
    close_now();
    return;
  }
  ::shutdown(descriptor_, SHUT_WR);
  state_ = State::kDraining;
  since_ = Clock::now();
}

void Connection::close_now() {
  if (descriptor_ >= 0) {
    ::shutdown(descriptor_, SHUT_RDWR);  // wakes the acceptor's side, which closes its own descriptor
    ::close(descriptor_);
  }
  descriptor_ = -1;
  state_ = State::kClosed;
  out_ = {};
  sent_ = 0;
  backlog_ = {};
  lease_.reset();
}

void Connection::end_of_input() {
  const std::lock_guard lock(mutex_);
  end_locked();
}

void Connection::end_locked() {
  input_ended_ = true;
  if (state_ == State::kDraining) close_now();
  if (state_ != State::kReading || going_on_) return;
  if (out_.empty()) {
    finish_writing();  // which answers the goodbye of TLS
  } else if (backlog_.empty()) {
    state_ = State::kClosing;
  }
}

void Connection::turn_away(const std::string& code, const std::string& message) {
  const std::lock_guard lock(mutex_);
  if (tls_) {  // a handshake is more than a client in excess gets
    close_now();
    return;
  }
  HttpResponse response = error_response(503, code, message, exchange_id());
  response.headers.push_back({"Retry-After", "1"});
  refuse(response);
}

}  // namespace pulmo::serving
