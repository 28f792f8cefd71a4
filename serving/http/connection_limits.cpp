// What the keeper asks of a connection: its time limits, and how it stands.
#include "serving/http/connection.h"

namespace pulmo::serving {

void Connection::check(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (state_ == State::kClosed) return;
  if (!out_.empty()) {
    if (now - write_since_ > host_->timeouts.write) close_now();
    return;
  }
  if (state_ == State::kReading && !going_on_) enforce_reading(now);
  if (state_ == State::kDraining && now - since_ > host_->timeouts.linger) close_now();
}

void Connection::enforce_reading(Clock::time_point now) {
  const HttpTimeouts& limits = host_->timeouts;
  switch (reader_.status()) {
    case RequestReader::Status::kIdle:
      if (now - since_ > (fresh_ ? limits.head : limits.idle)) finish_writing();
      break;
    case RequestReader::Status::kHead:
      if (now - reader_.started() > limits.head) {
        refuse(error_response(408, "timeout", "the request's headers took too long", exchange_id()));
      }
      break;
    case RequestReader::Status::kBody:
      if (now - since_ > limits.body) {
        refuse(error_response(408, "timeout", "the request's body took too long", exchange_id()));
      }
      break;
    default: break;
  }
}

void Connection::close_if_idle() {
  const std::lock_guard lock(mutex_);
  const bool idle = reader_.status() == RequestReader::Status::kIdle && out_.empty() && backlog_.empty();
  if (state_ == State::kReading && !going_on_ && idle) finish_writing();
}

bool Connection::closed() const {
  const std::lock_guard lock(mutex_);
  return state_ == State::kClosed;
}

bool Connection::busy() const {
  const std::lock_guard lock(mutex_);
  switch (state_) {
    case State::kReading: return reader_.status() != RequestReader::Status::kIdle || !out_.empty() || !backlog_.empty();
    case State::kClosed: return false;
    default: return true;
  }
}

int Connection::awaiting_write() const {
  const std::lock_guard lock(mutex_);
  return out_.empty() ? -1 : descriptor_;
}

}  // namespace pulmo::serving
