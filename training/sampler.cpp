#include "training/sampler.h"

#include <algorithm>
#include <numeric>

#include "core/support/seed.h"

namespace pulmo::training {

std::vector<std::int64_t> epoch_order(std::uint64_t seed, std::int64_t epoch, std::int64_t samples) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(samples));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  Random random(derive_seed(seed, "sampler", static_cast<std::uint64_t>(epoch)));
  random.shuffle(order);
  return order;
}

Range part_of(std::int64_t total, std::int64_t parts, std::int64_t part) {
  return {total * part / parts, total * (part + 1) / parts};
}

EpochPlan::EpochPlan(std::vector<std::int64_t> order, std::int64_t global_batch)
    : order_(std::move(order)), batch_(global_batch) {}

std::int64_t EpochPlan::steps() const {
  return (static_cast<std::int64_t>(order_.size()) + batch_ - 1) / batch_;
}

std::span<const std::int64_t> EpochPlan::global_batch(std::int64_t step) const {
  const auto all = static_cast<std::int64_t>(order_.size());
  const std::int64_t begin = std::min(all, step * batch_);
  const std::int64_t end = std::min(all, begin + batch_);
  return std::span(order_).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
}

std::span<const std::int64_t> EpochPlan::share(std::int64_t step, int world, int rank) const {
  const auto batch = global_batch(step);
  const Range mine = part_of(static_cast<std::int64_t>(batch.size()), world, rank);
  return batch.subspan(static_cast<std::size_t>(mine.begin), static_cast<std::size_t>(mine.size()));
}

}  // namespace pulmo::training
