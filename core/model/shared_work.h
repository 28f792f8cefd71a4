#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

#ifndef _OPENMP
#error "at::parallel_for would use one thread: name this file in pulmo_parallel_sources()"
#endif

namespace pulmo {

/// The numbers from `begin` to `end`, which is not among them.
struct WorkPiece {
  std::int64_t begin, end;
};

/// Hands out [0, count) in pieces of at least `least` numbers, large ones first: whoever is done takes the next, and at
/// the end nobody waits for long. All but the last are multiples of `least`. Thread-safe: what the maker wrote before
/// is seen by all who take, and what they wrote by who calls join() after they have called leave(). OpenMP promises as
/// much, in a library whose ways the thread sanitizer does not see.
class WorkPieces {
 public:
  WorkPieces(std::int64_t count, std::int64_t least, std::int64_t workers)
      : count_(count), least_(least), workers_(workers) {
    begin_.store(0, std::memory_order_release);
  }

  /// Empty (begin == end) when all are given away.
  WorkPiece next() {
    std::int64_t begin = begin_.load(std::memory_order_acquire);
    while (true) {
      const std::int64_t end = std::min(count_, begin + size_of_next(count_ - begin));
      if (begin_.compare_exchange_weak(begin, end, std::memory_order_acq_rel, std::memory_order_acquire))
        return {begin, end};
    }
  }

  void leave() { left_.fetch_add(1, std::memory_order_release); }
  void join() const { left_.load(std::memory_order_acquire); }

 private:
  static constexpr std::int64_t kShare = 4;  ///< of what each worker would have left

  std::int64_t size_of_next(std::int64_t left) const {
    return std::max(least_, left / (kShare * workers_) / least_ * least_);
  }

  const std::int64_t count_, least_, workers_;
  std::atomic<std::int64_t> begin_;
  std::atomic<std::int64_t> left_{0};
};

/// Spreads [0, count) over LibTorch's threads: calls new_worker() on each and what it returned with each WorkPiece that
/// the thread takes. A thread that another program keeps from its core, or that has the harder pieces, does not keep
/// the others waiting, as it would where each had its share from the start.
template <typename NewWorker>
void share_work(std::int64_t count, std::int64_t least, const NewWorker& new_worker) {
  const std::int64_t workers = std::min<std::int64_t>(at::get_num_threads(), (count + least - 1) / least);
  WorkPieces pieces(count, least, std::max<std::int64_t>(workers, 1));
  at::parallel_for(0, workers, 1, [&](std::int64_t /*begin*/, std::int64_t /*end*/) {
    WorkPiece piece = pieces.next();
    const auto work = new_worker();
    for (; piece.begin < piece.end; piece = pieces.next()) work(piece);
    pieces.leave();
  });
  pieces.join();
}

/// Calls body(i) for each i of [0, count), spread likewise.
template <typename Body>
void share_each(std::int64_t count, const Body& body) {
  share_work(count, 1, [&] {
    return [&](const WorkPiece& piece) {
      for (std::int64_t i = piece.begin; i < piece.end; ++i) body(i);
    };
  });
}

}  // namespace pulmo
