#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "core/model/predictor.h"

namespace pulmo::serving {

struct BatcherOptions {
  std::size_t max_batch = 16;                    ///< samples in one run of the model
  std::chrono::microseconds max_delay{100'000};  ///< a free model waits at most so long
  std::size_t capacity = 256;                    ///< samples waiting, at most
  bool prepare_in_pauses = false;                ///< see wait_for_pause(): the model's runs take every processor
};

/// What became of one sample.
struct BatchResult {
  std::vector<double> probabilities;  ///< K
  double queue_s = 0.0;               ///< waited for its batch
  double infer_s = 0.0;               ///< the model's run
  std::size_t batch_size = 0;         ///< samples in that run
};
enum class BatchFailure {
  kDeadline,  ///< its deadline passed while it waited
  kClosed,    ///< the batcher was closed
  kModel,     ///< the model threw; the batcher has logged it
};
using BatchOutcome = std::variant<BatchResult, BatchFailure>;

/// Gathers samples of many requests into batches for one model, which it runs on a thread of its own. Thread-safe.
///
/// A free model waits for samples that are being prepared, at most as long as its last run took (and max_delay): where
/// both share the processors, preparing them first is quicker for all than running the model against it, and a fast
/// model has little to gain from company.
class Batcher {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  /// Called exactly once per accepted sample, on the batcher's thread (or in close()). Must not throw or block.
  using Done = std::function<void(BatchOutcome outcome)>;
  /// Told the size and duration (s) of each run.
  using Observer = std::function<void(std::size_t size, double seconds)>;
  enum class Submitted { kAccepted, kFull, kClosed };

  Batcher(std::shared_ptr<const Predictor> predictor, BatcherOptions options, Observer observe_batch = {});
  ~Batcher();  ///< close()
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  /// `pixels` is one sample of C*H*W values of the model's shape. Never blocks. Unless accepted, `done` is not called.
  Submitted submit(std::vector<std::uint16_t> pixels, TimePoint deadline, Done done);

  /// Announces samples that are being prepared (or, negative, will not come after all; submit() takes one off by
  /// itself). While none is announced a batch leaves at once instead of waiting.
  void expect(int samples);

  /// Before a sample is prepared: with `prepare_in_pauses` waits until the model does not run. Both would keep each
  /// other's threads from their processors, and a run's threads wait for its slowest. Where one run follows another
  /// without a pause it waits for a few of them only, or samples that need no preparation would keep it for ever.
  void wait_for_pause();

  /// Refuses new samples, fails the waiting ones with kClosed, waits for the run under way. Idempotent.
  void close();

  std::size_t depth() const;  ///< samples waiting now

 private:
  struct Sample {
    std::vector<std::uint16_t> pixels;
    TimePoint deadline;
    TimePoint submitted;
    Done done;
  };

  void run();
  std::vector<Sample> next_batch(std::unique_lock<std::mutex>& lock);
  bool ready(TimePoint now) const;
  TimePoint latest_start() const;
  static void fail_late(std::vector<Sample>& samples, TimePoint now);
  /// Of all samples, one after another; none where the model threw.
  std::vector<double> predict(const std::vector<Sample>& samples) const;
  void settle(std::vector<Sample> samples, const std::vector<double>& probabilities, TimePoint begin, TimePoint end);
  std::vector<double> run_model(const std::vector<Sample>& samples) const;

  const std::shared_ptr<const Predictor> predictor_;
  const BatcherOptions options_;
  const Observer observe_batch_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Sample> queue_;
  int expected_ = 0;
  bool running_ = false;
  std::uint64_t runs_ = 0;          ///< ended
  std::condition_variable paused_;  ///< running_ has become false
  TimePoint free_since_{};
  std::chrono::steady_clock::duration last_run_ = std::chrono::steady_clock::duration::max();  ///< none yet
  bool closed_ = false;
  std::once_flag joined_;
  std::thread thread_;
};

}  // namespace pulmo::serving
