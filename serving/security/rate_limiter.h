#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace pulmo::serving {

struct RateLimit {
  double per_s = 0.0;  ///< requests; 0: no limit
  double burst = 20;   ///< at once, after a pause
};

/// A token bucket for each client. Memory is bounded: beyond `kMaxClients` that were seen lately, the others share one
/// bucket. Thread-safe.
class RateLimiter {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::size_t kMaxClients = 65'536;

  explicit RateLimiter(const RateLimit& limit) : limit_(limit) {}

  /// Takes a token of `client`; when there is none, the time until there is one.
  std::optional<std::chrono::duration<double>> take(const std::string& client, TimePoint now);

 private:
  struct Bucket {
    double tokens = 0.0;
    TimePoint filled;
  };
  Bucket& bucket_of(const std::string& client, TimePoint now);
  double tokens_of(const Bucket& bucket, TimePoint now) const;
  void forget_idle(TimePoint now);

  const RateLimit limit_;
  std::mutex mutex_;
  std::unordered_map<std::string, Bucket> buckets_;
  Bucket shared_;
  bool shared_used_ = false;
  TimePoint swept_;
};

/// An IPv4 or IPv6 address in numbers.
bool is_address(const std::string& text);
/// What a client counts as: its address, of IPv6 the network of 64 bits, which one client has to itself.
std::string client_network(const std::string& address);

}  // namespace pulmo::serving
