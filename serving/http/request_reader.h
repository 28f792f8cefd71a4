#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "serving/http/message.h"
#include "serving/http/multipart.h"
#include "serving/http/request_head.h"

namespace pulmo::serving {

/// Assembles requests from the bytes of one connection, in pieces of any size. Decides on the head before a byte of the
/// body is kept, and holds at most `head_bytes` until then. Not thread-safe.
///
///   idle -> head -> head complete -(begin_body)-> body -> complete -(take)-> idle
///   any -> refused: see refusal(); nothing more is read
class RequestReader {
 public:
  enum class Status { kIdle, kHead, kHeadComplete, kBody, kComplete, kRefused };

  explicit RequestReader(const HttpLimits& limits) : limits_(limits) {}

  /// Returns how many bytes it took: all, unless the status is now kHeadComplete, kComplete or kRefused.
  std::size_t feed(std::string_view data);
  /// After kHeadComplete: go on with the body (kBody, or kComplete when there is none).
  void begin_body();

  Status status() const { return status_; }
  const RequestHead& head() const { return request_.head; }
  /// When the first byte of the present request arrived.
  Clock::time_point started() const { return request_.started; }
  const HttpRefusal& refusal() const { return *refusal_; }
  /// After kComplete: the request; the reader is idle again.
  HttpRequest take();

 private:
  std::size_t feed_head(std::string_view data);
  void check_head_byte(char c);
  std::size_t feed_body(std::string_view data);
  void keep(std::string_view data);
  void complete_body();
  void refuse(const HttpRefusal& refusal);

  HttpLimits limits_;
  Status status_ = Status::kIdle;
  std::string head_text_;
  bool line_checked_ = false;  ///< the request line in head_text_ is complete and good
  std::uint64_t remaining_bytes_ = 0;
  HttpRequest request_;
  std::optional<MultipartParser> multipart_;
  std::optional<HttpRefusal> refusal_;
};

}  // namespace pulmo::serving
