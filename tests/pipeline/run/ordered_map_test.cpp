#include "pipeline/run/ordered_map.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <stdexcept>

namespace pulmo::pipeline {
namespace {

std::vector<int> squares(std::size_t count, std::size_t threads) {
  std::vector<int> results;
  const auto make_worker = [] { return [](std::size_t i) { return static_cast<int>(i * i); }; };
  ordered_for_each<int>(count, threads, make_worker, [&](std::size_t i, int value) {
    EXPECT_EQ(i, results.size());
    results.push_back(value);
  });
  return results;
}

TEST(OrderedMap, GivesTheSameOrderOnAnyNumberOfThreads) {
  const std::vector<int> one = squares(1000, 1);
  EXPECT_EQ(one.size(), 1000U);
  EXPECT_EQ(one[31], 961);
  for (const std::size_t threads : {2, 3, 8}) EXPECT_EQ(squares(1000, threads), one);
}

TEST(OrderedMap, DoesNothingForNothing) {
  EXPECT_TRUE(squares(0, 4).empty());
}

TEST(OrderedMap, KeepsABoundedNumberOfResultsWaiting) {
  std::atomic<int> alive{0};
  std::atomic<int> most{0};
  struct Counted {
    explicit Counted(std::atomic<int>& count) : count_(&count) { ++count; }
    Counted(Counted&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
    Counted& operator=(Counted&& other) noexcept {
      std::swap(count_, other.count_);
      return *this;
    }
    ~Counted() {
      if (count_ != nullptr) --*count_;
    }
    std::atomic<int>* count_;
  };
  const auto make_worker = [&] { return [&](std::size_t) { return Counted(alive); }; };
  ordered_for_each<Counted>(500, 3, make_worker,
                            [&](std::size_t, Counted) { most = std::max(most.load(), alive.load()); });
  EXPECT_LE(most.load(), static_cast<int>(OrderedMap<Counted>::window(3, OrderedMap<Counted>::kSpare)) + 3 + 1);
  EXPECT_EQ(alive.load(), 0);
}

TEST(OrderedMap, HandsAnExceptionOutAtItsPlace) {
  std::size_t consumed = 0;
  const auto make_worker = [] {
    return [](std::size_t i) {
      if (i == 20) throw std::runtime_error("twenty");
      return i;
    };
  };
  EXPECT_THROW(ordered_for_each<std::size_t>(100, 4, make_worker, [&](std::size_t, std::size_t) { ++consumed; }),
               std::runtime_error);
  EXPECT_EQ(consumed, 20U);
}

TEST(OrderedMap, StopsEarlyWhenTheConsumerThrows) {
  std::atomic<int> computed{0};
  const auto make_worker = [&] {
    return [&](std::size_t i) {
      ++computed;
      return i;
    };
  };
  const auto consume = [](std::size_t i, std::size_t) {
    if (i == 5) throw std::runtime_error("enough");
  };
  EXPECT_THROW(ordered_for_each<std::size_t>(100000, 4, make_worker, consume), std::runtime_error);
  EXPECT_LT(computed.load(), 1000);
}

TEST(OrderedMap, MakesOneWorkerAThread) {
  std::atomic<int> made{0};
  const auto make_worker = [&] {
    ++made;
    return [](std::size_t i) { return i; };
  };
  ordered_for_each<std::size_t>(1000, 3, make_worker, [](std::size_t, std::size_t) {});
  EXPECT_LE(made.load(), 3);
}

}  // namespace
}  // namespace pulmo::pipeline
