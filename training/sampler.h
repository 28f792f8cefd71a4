#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace pulmo::training {

/// The order of one epoch: every sample exactly once, reshuffled each epoch. Pure function.
std::vector<std::int64_t> epoch_order(std::uint64_t seed, std::int64_t epoch, std::int64_t samples);

/// A half-open range.
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  std::int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

/// Part `part` of `parts` near-equal, adjacent parts of [0, total); some are one longer than others, or empty.
Range part_of(std::int64_t total, std::int64_t parts, std::int64_t part);

/// Cuts the epoch into global batches and each of those among the ranks, so that N ranks together see the batches that
/// one rank would. The last batch may be short, and a rank's share of it empty. Immutable.
class EpochPlan {
 public:
  EpochPlan(std::vector<std::int64_t> order, std::int64_t global_batch);

  std::int64_t steps() const;
  std::span<const std::int64_t> global_batch(std::int64_t step) const;
  std::span<const std::int64_t> share(std::int64_t step, int world, int rank) const;

 private:
  std::vector<std::int64_t> order_;
  std::int64_t batch_;
};

}  // namespace pulmo::training
