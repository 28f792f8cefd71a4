#include "serving/batcher.h"

#include <algorithm>
#include <exception>
#include <iterator>

#include "core/support/log.h"

namespace pulmo::serving {
namespace {

constexpr std::uint64_t kMostRunsWaited = 4;

double seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

Batcher::Batcher(std::shared_ptr<const Predictor> predictor, BatcherOptions options, Observer observe_batch)
    : predictor_(std::move(predictor)), options_(options), observe_batch_(std::move(observe_batch)) {
  thread_ = std::thread([this] { run(); });
}

Batcher::~Batcher() {
  close();
}

Batcher::Submitted Batcher::submit(std::vector<std::uint16_t> pixels, TimePoint deadline, Done done) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return Submitted::kClosed;
    expected_ = std::max(0, expected_ - 1);
    if (queue_.size() >= options_.capacity) return Submitted::kFull;
    queue_.push_back({std::move(pixels), deadline, std::chrono::steady_clock::now(), std::move(done)});
  }
  changed_.notify_one();
  return Submitted::kAccepted;
}

void Batcher::expect(int samples) {
  {
    const std::lock_guard lock(mutex_);
    expected_ = std::max(0, expected_ + samples);
  }
  if (samples < 0) changed_.notify_one();
}

void Batcher::close() {
  std::deque<Sample> abandoned;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    abandoned.swap(queue_);
  }
  changed_.notify_all();
  for (Sample& sample : abandoned) sample.done(BatchFailure::kClosed);
  std::call_once(joined_, [this] { thread_.join(); });
}

void Batcher::wait_for_pause() {
  if (!options_.prepare_in_pauses) return;
  std::unique_lock lock(mutex_);
  const std::uint64_t latest = runs_ + kMostRunsWaited;
  paused_.wait(lock, [this, latest] { return !running_ || runs_ >= latest; });
}

std::size_t Batcher::depth() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

bool Batcher::ready(TimePoint now) const {
  return queue_.size() >= options_.max_batch || expected_ == 0 || now >= latest_start();
}

/// When the model stops waiting for samples that are being prepared.
Batcher::TimePoint Batcher::latest_start() const {
  return std::max(queue_.front().submitted, free_since_) +
         std::min<std::chrono::steady_clock::duration>(options_.max_delay, last_run_);
}

/// Waits until a batch should leave; empty when the batcher is closed.
std::vector<Batcher::Sample> Batcher::next_batch(std::unique_lock<std::mutex>& lock) {
  while (true) {
    changed_.wait(lock, [this] { return closed_ || !queue_.empty(); });
    if (closed_) return {};
    if (ready(std::chrono::steady_clock::now())) break;
    changed_.wait_until(lock, latest_start());
  }
  const auto count = static_cast<std::ptrdiff_t>(std::min(queue_.size(), options_.max_batch));
  std::vector<Sample> batch(std::make_move_iterator(queue_.begin()), std::make_move_iterator(queue_.begin() + count));
  queue_.erase(queue_.begin(), queue_.begin() + count);
  return batch;
}

void Batcher::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    std::vector<Sample> batch = next_batch(lock);
    if (batch.empty()) return;
    running_ = true;
    lock.unlock();
    const TimePoint begin = std::chrono::steady_clock::now();
    fail_late(batch, begin);
    const std::vector<double> probabilities = predict(batch);
    const TimePoint end = std::chrono::steady_clock::now();
    lock.lock();
    running_ = false;
    ++runs_;
    last_run_ = end - begin;
    free_since_ = end;
    lock.unlock();
    paused_.notify_all();  // samples are prepared while these are settled
    settle(std::move(batch), probabilities, begin, end);
    lock.lock();
  }
}

void Batcher::fail_late(std::vector<Sample>& samples, TimePoint now) {
  const auto late = std::stable_partition(samples.begin(), samples.end(),
                                          [now](const Sample& sample) { return sample.deadline > now; });
  std::for_each(late, samples.end(), [](Sample& sample) { sample.done(BatchFailure::kDeadline); });
  samples.erase(late, samples.end());
}

std::vector<double> Batcher::predict(const std::vector<Sample>& samples) const {
  if (samples.empty()) return {};
  try {
    return run_model(samples);
  } catch (const std::exception& error) {
    log_error("the model failed on a batch", {{"batch", std::to_string(samples.size())}, {"error", error.what()}});
    return {};
  }
}

void Batcher::settle(std::vector<Sample> samples, const std::vector<double>& probabilities, TimePoint begin,
                     TimePoint end) {
  if (probabilities.empty()) {
    for (Sample& sample : samples) sample.done(BatchFailure::kModel);
    return;
  }
  const double infer_s = seconds(end - begin);
  if (observe_batch_) observe_batch_(samples.size(), infer_s);
  const std::size_t classes = probabilities.size() / samples.size();
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const auto first = probabilities.begin() + static_cast<std::ptrdiff_t>(i * classes);
    samples[i].done(BatchResult{{first, first + static_cast<std::ptrdiff_t>(classes)},
                                seconds(begin - samples[i].submitted),
                                infer_s,
                                samples.size()});
  }
}

std::vector<double> Batcher::run_model(const std::vector<Sample>& samples) const {
  const BundleMetadata& metadata = predictor_->metadata();
  ImageBatch batch;
  batch.count = static_cast<std::int64_t>(samples.size());
  batch.channels = metadata.channels;
  batch.depth = metadata.depth;
  batch.height = metadata.spec.size_px;
  batch.width = metadata.spec.size_px;
  batch.pixels.reserve(samples.size() * samples.front().pixels.size());
  for (const Sample& sample : samples) {
    batch.pixels.insert(batch.pixels.end(), sample.pixels.begin(), sample.pixels.end());
  }
  std::vector<double> probabilities = predictor_->predict(batch);
  if (probabilities.size() != samples.size() * metadata.class_names.size()) {
    throw std::runtime_error("the model gave " + std::to_string(probabilities.size()) + " values for " +
                             std::to_string(samples.size()) + " samples of " +
                             std::to_string(metadata.class_names.size()) + " classes");
  }
  return probabilities;
}

}  // namespace pulmo::serving
