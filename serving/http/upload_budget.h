#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace pulmo::serving {

/// How many bytes of request bodies the server may hold in memory at once, over all connections. Thread-safe.
class UploadBudget {
 public:
  explicit UploadBudget(std::uint64_t limit_bytes) : limit_(limit_bytes) {}

  /// False, and nothing taken, when the limit would be passed.
  bool take(std::uint64_t bytes) {
    std::uint64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ - used) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    std::uint64_t peak = peak_.load(std::memory_order_relaxed);
    while (peak < used + bytes && !peak_.compare_exchange_weak(peak, used + bytes, std::memory_order_relaxed)) {
    }
    return true;
  }
  void give_back(std::uint64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  std::uint64_t used_bytes() const { return used_.load(std::memory_order_relaxed); }

  /// True once after `bytes` or more were held and most of that was given back: worth returning to the system.
  bool ebbed(std::uint64_t bytes) {
    const std::uint64_t used = used_bytes();
    std::uint64_t peak = peak_.load(std::memory_order_relaxed);
    return peak >= bytes && used < peak / 4 && peak_.compare_exchange_strong(peak, used, std::memory_order_relaxed);
  }

 private:
  std::uint64_t limit_;
  std::atomic<std::uint64_t> used_{0};
  std::atomic<std::uint64_t> peak_{0};  // since the last ebb
};

/// The share of one request; given back at the end of its life. Not thread-safe.
class UploadLease {
 public:
  explicit UploadLease(std::shared_ptr<UploadBudget> budget) : budget_(std::move(budget)) {}
  ~UploadLease() { budget_->give_back(held_); }
  UploadLease(const UploadLease&) = delete;
  UploadLease& operator=(const UploadLease&) = delete;

  /// False when the budget is spent.
  bool grow(std::uint64_t bytes) {
    if (!budget_->take(bytes)) return false;
    held_ += bytes;
    return true;
  }

 private:
  std::shared_ptr<UploadBudget> budget_;
  std::uint64_t held_ = 0;
};

}  // namespace pulmo::serving
