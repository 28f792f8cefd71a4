#include "serving/batcher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "tests/serving/fake_predictor.h"

namespace pulmo::serving {
namespace {

using std::chrono::milliseconds;
using testing::FakePredictor;

constexpr auto kLong = std::chrono::minutes(5);

Batcher::TimePoint in(std::chrono::nanoseconds time) {
  return std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(time);
}

std::vector<std::uint16_t> sample(std::uint16_t first) {
  std::vector<std::uint16_t> pixels(16, 0);
  pixels[0] = first;
  return pixels;
}

class BatcherTest : public ::testing::Test {
 protected:
  std::future<BatchOutcome> submit(Batcher& batcher, std::uint16_t value, Batcher::TimePoint deadline = in(kLong)) {
    auto promise = std::make_shared<std::promise<BatchOutcome>>();
    auto future = promise->get_future();
    last_ = batcher.submit(sample(value), deadline,
                           [promise](BatchOutcome outcome) { promise->set_value(std::move(outcome)); });
    return future;
  }
  /// Keeps the model busy with one sample, so that the next ones queue up.
  std::future<BatchOutcome> occupy(Batcher& batcher) {
    predictor_->hold();
    auto first = submit(batcher, 0);
    predictor_->wait_for_runs(1);
    return first;
  }

  std::shared_ptr<FakePredictor> predictor_ = std::make_shared<FakePredictor>();
  Batcher::Submitted last_ = Batcher::Submitted::kAccepted;
};

TEST_F(BatcherTest, GivesEachSampleItsOwnProbabilities) {
  Batcher batcher(predictor_, {});
  auto first = occupy(batcher);
  std::vector<std::future<BatchOutcome>> futures;
  for (const std::uint16_t value : std::vector<std::uint16_t>{100, 2000, 30000, 65535})
    futures.push_back(submit(batcher, value));
  predictor_->release();
  std::size_t i = 0;
  for (const double value : {100.0, 2000.0, 30000.0, 65535.0}) {
    const auto result = std::get<BatchResult>(futures[i++].get());
    ASSERT_EQ(result.probabilities.size(), 2U);
    EXPECT_DOUBLE_EQ(result.probabilities[1], value / 65535.0);
    EXPECT_EQ(result.batch_size, 4U);
  }
  EXPECT_EQ(predictor_->wait_for_runs(2), (std::vector<std::int64_t>{1, 4}));
}

TEST_F(BatcherTest, NeverExceedsTheLargestBatch) {
  BatcherOptions options;
  options.max_batch = 3;
  Batcher batcher(predictor_, options);
  auto first = occupy(batcher);
  std::vector<std::future<BatchOutcome>> futures;
  for (std::uint16_t i = 0; i < 7; ++i) futures.push_back(submit(batcher, i));
  predictor_->release();
  for (auto& future : futures) future.get();
  EXPECT_EQ(predictor_->wait_for_runs(4), (std::vector<std::int64_t>{1, 3, 3, 1}));
}

TEST_F(BatcherTest, RefusesAtOnceWhenFull) {
  BatcherOptions options;
  options.capacity = 2;
  Batcher batcher(predictor_, options);
  auto running = occupy(batcher);
  auto a = submit(batcher, 1);
  auto b = submit(batcher, 2);
  EXPECT_EQ(last_, Batcher::Submitted::kAccepted);
  EXPECT_EQ(batcher.depth(), 2U);
  submit(batcher, 3);
  EXPECT_EQ(last_, Batcher::Submitted::kFull);
  predictor_->release();
  a.get();
  submit(batcher, 4).get();
  EXPECT_EQ(last_, Batcher::Submitted::kAccepted);
}

TEST_F(BatcherTest, FailsSamplesWhoseDeadlinePassed) {
  Batcher batcher(predictor_, {});
  auto running = occupy(batcher);
  auto late = submit(batcher, 1, in(milliseconds(-1)));
  auto good = submit(batcher, 2);
  predictor_->release();
  EXPECT_EQ(std::get<BatchFailure>(late.get()), BatchFailure::kDeadline);
  EXPECT_EQ(std::get<BatchResult>(good.get()).batch_size, 1U);
}

TEST_F(BatcherTest, LeavesAtOnceWhenNobodyElseIsExpected) {
  BatcherOptions options;
  options.max_delay = std::chrono::minutes(5);
  Batcher batcher(predictor_, options);
  EXPECT_EQ(std::get<BatchResult>(submit(batcher, 1).get()).batch_size, 1U);
}

TEST_F(BatcherTest, WaitsForExpectedCompany) {
  BatcherOptions options;
  options.max_delay = std::chrono::minutes(5);
  Batcher batcher(predictor_, options);
  batcher.expect(2);
  auto a = submit(batcher, 1);
  EXPECT_EQ(a.wait_for(milliseconds(30)), std::future_status::timeout);
  auto b = submit(batcher, 2);
  EXPECT_EQ(std::get<BatchResult>(a.get()).batch_size, 2U);
}

TEST_F(BatcherTest, StopsWaitingWhenTheCompanyIsCancelled) {
  BatcherOptions options;
  options.max_delay = std::chrono::minutes(5);
  Batcher batcher(predictor_, options);
  batcher.expect(2);
  auto a = submit(batcher, 1);
  batcher.expect(-1);
  EXPECT_EQ(std::get<BatchResult>(a.get()).batch_size, 1U);
}

TEST_F(BatcherTest, WaitsNoLongerThanTheDelay) {
  BatcherOptions options;
  options.max_delay = std::chrono::microseconds(20'000);
  Batcher batcher(predictor_, options);
  batcher.expect(2);
  const auto result = std::get<BatchResult>(submit(batcher, 1).get());
  EXPECT_EQ(result.batch_size, 1U);
  EXPECT_GE(result.queue_s, 0.019);
}

TEST_F(BatcherTest, WaitsNoLongerThanTheModelRuns) {
  BatcherOptions options;
  options.max_delay = std::chrono::minutes(5);
  Batcher batcher(predictor_, options);
  submit(batcher, 1).get();  // in no time
  batcher.expect(2);
  EXPECT_EQ(std::get<BatchResult>(submit(batcher, 2).get()).batch_size, 1U);
}

TEST_F(BatcherTest, CountsTheWaitFromWhenTheModelIsFree) {
  BatcherOptions options;
  options.max_delay = std::chrono::minutes(5);
  Batcher batcher(predictor_, options);
  auto running = occupy(batcher);
  batcher.expect(2);
  auto a = submit(batcher, 1);
  std::this_thread::sleep_for(milliseconds(700));
  predictor_->release();  // `a` has waited as long as the run by now
  running.get();
  auto b = submit(batcher, 2);
  EXPECT_EQ(std::get<BatchResult>(a.get()).batch_size, 2U);
}

TEST_F(BatcherTest, PreparationWaitsForAPause) {
  BatcherOptions options;
  options.prepare_in_pauses = true;
  Batcher batcher(predictor_, options);
  batcher.wait_for_pause();  // nothing runs
  auto running = occupy(batcher);
  auto paused = std::async(std::launch::async, [&] { batcher.wait_for_pause(); });
  EXPECT_EQ(paused.wait_for(milliseconds(30)), std::future_status::timeout);
  predictor_->release();
  paused.get();
  running.get();
}

TEST_F(BatcherTest, PreparationIsNotKeptByRunsThatFollowEachOther) {
  BatcherOptions options;
  options.prepare_in_pauses = true;
  options.max_batch = 1;
  Batcher batcher(predictor_, options);
  auto running = occupy(batcher);
  auto paused = std::async(std::launch::async, [&] { batcher.wait_for_pause(); });
  std::atomic<bool> over{false};
  std::thread clients([&] {
    while (!over) {
      if (batcher.depth() < 100) submit(batcher, 1);
    }
  });
  while (batcher.depth() < 100) std::this_thread::yield();
  predictor_->release();
  EXPECT_EQ(paused.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  over = true;
  clients.join();
  running.get();
}

TEST_F(BatcherTest, PreparationGoesOnBesideAModelThatLeavesProcessors) {
  Batcher batcher(predictor_, {});
  auto running = occupy(batcher);
  batcher.wait_for_pause();
  predictor_->release();
  running.get();
}

TEST_F(BatcherTest, ReportsAModelThatThrowsAndGoesOn) {
  predictor_->fail();
  Batcher batcher(predictor_, {});
  EXPECT_EQ(std::get<BatchFailure>(submit(batcher, 1).get()), BatchFailure::kModel);
  EXPECT_EQ(std::get<BatchFailure>(submit(batcher, 2).get()), BatchFailure::kModel);
}

TEST_F(BatcherTest, ReportsAModelThatAnswersTooLittle) {
  predictor_->answer_short();
  Batcher batcher(predictor_, {});
  EXPECT_EQ(std::get<BatchFailure>(submit(batcher, 1).get()), BatchFailure::kModel);
}

TEST_F(BatcherTest, ClosingWakesEverybody) {
  Batcher batcher(predictor_, {});
  auto running = occupy(batcher);
  auto waiting = submit(batcher, 1);
  std::thread closer([&] { batcher.close(); });
  EXPECT_EQ(std::get<BatchFailure>(waiting.get()), BatchFailure::kClosed);
  submit(batcher, 2);
  EXPECT_EQ(last_, Batcher::Submitted::kClosed);
  predictor_->release();
  closer.join();
  EXPECT_TRUE(std::holds_alternative<BatchResult>(running.get()));
  batcher.close();
}

TEST_F(BatcherTest, TellsTheSizeAndDurationOfEachRun) {
  std::vector<std::size_t> sizes;
  {
    Batcher batcher(predictor_, {}, [&](std::size_t size, double seconds) {
      sizes.push_back(size);
      EXPECT_GE(seconds, 0.0);
    });
    submit(batcher, 1).get();
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1}));
}

TEST_F(BatcherTest, AnswersEverySampleOnceUnderLoad) {
  BatcherOptions options;
  options.max_batch = 4;
  options.capacity = 16;
  options.max_delay = std::chrono::microseconds(50);
  std::atomic<int> accepted{0};
  std::atomic<int> answered{0};
  {
    Batcher batcher(predictor_, options);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (std::uint16_t i = 0; i < 500; ++i) {
          batcher.expect(1);
          const auto answer = batcher.submit(sample(i), in(kLong), [&, i](const BatchOutcome& outcome) {
            if (const auto* result = std::get_if<BatchResult>(&outcome)) {
              EXPECT_DOUBLE_EQ(result->probabilities[1], i / 65535.0);
            }
            ++answered;
          });
          if (answer == Batcher::Submitted::kAccepted) ++accepted;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(answered, accepted);
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace pulmo::serving
