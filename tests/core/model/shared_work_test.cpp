#include "core/model/shared_work.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

namespace pulmo {
namespace {

class SharedWork : public testing::TestWithParam<int> {
 protected:
  SharedWork() { at::set_num_threads(GetParam()); }
  ~SharedWork() override { at::set_num_threads(before_); }

 private:
  const int before_ = at::get_num_threads();
};

TEST_P(SharedWork, GivesEachNumberToOneWorker) {
  for (const std::int64_t count : {0, 1, 2, 7, 100, 1001}) {
    for (const std::int64_t least : {1, 3, 12, 2000}) {
      std::vector<std::atomic<int>> taken(static_cast<std::size_t>(count));
      share_work(count, least, [&] {
        return [&](const WorkPiece& piece) {
          for (std::int64_t i = piece.begin; i < piece.end; ++i) ++taken[static_cast<std::size_t>(i)];
        };
      });
      for (const std::atomic<int>& times : taken) ASSERT_EQ(times, 1) << count << " in pieces of " << least;
    }
  }
}

TEST_P(SharedWork, PiecesAreMultiplesOfTheSmallestButTheLast) {
  std::mutex mutex;
  std::vector<WorkPiece> pieces;
  share_work(1000, 12, [&] {
    return [&](const WorkPiece& piece) {
      const std::lock_guard lock(mutex);
      pieces.push_back(piece);
    };
  });
  for (const WorkPiece& piece : pieces) {
    EXPECT_EQ(piece.begin % 12, 0);
    EXPECT_TRUE(piece.end % 12 == 0 || piece.end == 1000);
  }
}

INSTANTIATE_TEST_SUITE_P(Threads, SharedWork, testing::Values(1, 2, 5));

TEST(SharedWorkOfSlowThreads, TheOthersDoTheRest) {
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  constexpr std::int64_t kCount = 1000;
  std::atomic<std::int64_t> done{0}, held{0};
  std::atomic<bool> first{true}, rest_was_done{false};
  share_work(kCount, 1, [&] {
    return [&](const WorkPiece& piece) {
      if (first.exchange(false)) {  // this thread is kept from its core until all else is done
        held = piece.end - piece.begin;
        const auto latest = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (done + held < kCount && std::chrono::steady_clock::now() < latest) std::this_thread::yield();
        rest_was_done = done + held == kCount;
      } else {
        done += piece.end - piece.begin;
      }
    };
  });
  EXPECT_TRUE(rest_was_done);
  EXPECT_LT(held, kCount / 4);
  at::set_num_threads(before);
}

}  // namespace
}  // namespace pulmo
