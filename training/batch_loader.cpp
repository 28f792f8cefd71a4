#include "training/batch_loader.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/support/elapsed.h"
#include "core/support/seed.h"

namespace pulmo::training {

BatchLoader::BatchLoader(ImageCache& cache, const Dataset& dataset, std::vector<std::vector<std::int64_t>> shares,
                         const LoaderOptions& options)
    : cache_(cache), dataset_(dataset), shares_(std::move(shares)), options_(options), thread_([this] { work(); }) {}

BatchLoader::~BatchLoader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::optional<Batch> BatchLoader::next() {
  const auto start = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !ready_.empty() || finished_; });
  waited_seconds_ += seconds_since(start);
  if (ready_.empty()) {
    if (failure_) std::rethrow_exception(failure_);
    return std::nullopt;
  }
  Batch batch = std::move(ready_.front());
  ready_.pop_front();
  lock.unlock();
  changed_.notify_all();
  return batch;
}

void BatchLoader::work() {
  try {
    for (std::vector<std::int64_t>& indices : shares_) {
      Batch batch = prepare(std::move(indices));
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return ready_.size() < options_.ahead || stopping_; });
      if (stopping_) return;
      ready_.push_back(std::move(batch));
      lock.unlock();
      changed_.notify_all();
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    failure_ = std::current_exception();
  }
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }
  changed_.notify_all();
}

Batch BatchLoader::prepare(std::vector<std::int64_t> indices) {
  const SampleShape& shape = dataset_.shape();
  const PlaneSize size{shape.channels, shape.height, shape.width, std::max<std::int64_t>(1, shape.depth)};
  const auto elements = static_cast<std::size_t>(size.elements());
  const auto epoch = static_cast<std::uint64_t>(options_.epoch);
  Batch batch;
  batch.pixels.resize(indices.size() * elements);
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const auto sample = static_cast<std::uint64_t>(indices[i]);
    batch.labels.push_back(dataset_.label(indices[i]));
    batch.dropout_seeds.push_back(derive_seed(options_.seed, "dropout", epoch, 0, sample));
    const Transform transform =
        draw_transform(options_.augmentation, derive_seed(options_.seed, "augment", epoch, 0, sample));
    transform_to_float(cache_.image(indices[i]), size, transform,
                       std::span(batch.pixels).subspan(i * elements, elements));
    if (options_.outlines != nullptr) add_outlines(batch, indices[i], transform);
  }
  batch.indices = std::move(indices);
  return batch;
}

void BatchLoader::add_outlines(Batch& batch, std::int64_t index, Transform transform) const {
  const PlaneSize size{1, dataset_.shape().height, dataset_.shape().width};
  std::vector<std::uint16_t> shares(static_cast<std::size_t>(size.elements()));
  options_.outlines->read(index, shares);
  transform.gain = 1.0;
  transform.offset = 0.0;
  transform.noise = 0.0;
  const std::size_t old = batch.outlines.size();
  batch.outlines.resize(old + shares.size());
  transform_to_float(shares, size, transform, std::span(batch.outlines).subspan(old));
}

}  // namespace pulmo::training
