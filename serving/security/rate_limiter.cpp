#include "serving/security/rate_limiter.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

namespace pulmo::serving {
namespace {

constexpr auto kSweepEvery = std::chrono::seconds(1);

}  // namespace

std::optional<std::chrono::duration<double>> RateLimiter::take(const std::string& client, TimePoint now) {
  if (limit_.per_s <= 0.0) return std::nullopt;
  const std::lock_guard lock(mutex_);
  Bucket& bucket = bucket_of(client, now);
  bucket.tokens = tokens_of(bucket, now);
  bucket.filled = now;
  if (bucket.tokens >= 1.0) {
    bucket.tokens -= 1.0;
    return std::nullopt;
  }
  return std::chrono::duration<double>((1.0 - bucket.tokens) / limit_.per_s);
}

RateLimiter::Bucket& RateLimiter::bucket_of(const std::string& client, TimePoint now) {
  if (const auto found = buckets_.find(client); found != buckets_.end()) return found->second;
  if (buckets_.size() >= kMaxClients) forget_idle(now);
  if (buckets_.size() < kMaxClients) return buckets_.emplace(client, Bucket{limit_.burst, now}).first->second;
  if (!shared_used_) shared_ = {limit_.burst, now};
  shared_used_ = true;
  return shared_;
}

double RateLimiter::tokens_of(const Bucket& bucket, TimePoint now) const {
  const double passed = std::max(0.0, std::chrono::duration<double>(now - bucket.filled).count());
  return std::min(limit_.burst, bucket.tokens + passed * limit_.per_s);
}

/// A full bucket is as good as none.
void RateLimiter::forget_idle(TimePoint now) {
  if (now - swept_ < kSweepEvery) return;
  swept_ = now;
  std::erase_if(buckets_, [&](const auto& entry) { return tokens_of(entry.second, now) >= limit_.burst; });
}

bool is_address(const std::string& text) {
  std::array<unsigned char, 16> bytes{};
  return ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

std::string client_network(const std::string& address) {
  std::array<unsigned char, 16> bytes{};
  if (::inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return address;
  std::fill(bytes.begin() + 8, bytes.end(), static_cast<unsigned char>(0));
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET6, bytes.data(), text.data(), text.size());
  return std::string(text.data()) + "/64";
}

}  // namespace pulmo::serving
